"""What a training is made of: batches, steps, callbacks, processes, and what it leaves behind."""
