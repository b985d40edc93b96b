"""Faster parts for blocks on a processor: attention and dropout of what trains, matrix products of what is frozen."""
