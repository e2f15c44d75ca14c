"""A static page to browse galaxies, their predictions and their votes."""
