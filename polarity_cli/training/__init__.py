"""Training the top: the runtime it runs in, the optimizer, the loop, and states to resume from."""
