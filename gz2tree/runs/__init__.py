"""What a training is made of: batches, steps, callbacks, and what it leaves behind."""
