"""Catalogues of predictions: columns, flags, and shards that many processes write."""
