"""The cache: where things are kept, published whole, found whole again, and pruned."""
