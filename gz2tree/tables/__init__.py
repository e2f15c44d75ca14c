"""Tables on disk, in every format that astronomers keep them in."""
