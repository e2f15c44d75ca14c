"""What the commands do, once their options are known: files in, files out."""
