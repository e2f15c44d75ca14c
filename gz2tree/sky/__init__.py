"""The simulated sky: its galaxies, what light they send, what a camera makes of it, who votes."""
