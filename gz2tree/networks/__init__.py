"""What networks are made of, and what is done with one: save, finetune, export, look at images."""
