"""Features: the frozen blocks' hidden states of each review, kept so that those blocks are passed once."""
