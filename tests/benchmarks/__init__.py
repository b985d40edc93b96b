"""Measured claims: each module here is a command that prints the figures the README quotes, with their rivals beside them."""
