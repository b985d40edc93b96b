"""Faster parts for blocks on a CPU: attention and dropout of what trains, matrix products of what is frozen."""
