"""Images: which files are images of which galaxy, how they are decoded, streams of them."""
