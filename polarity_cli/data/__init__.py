"""From a file, a Hub data set or the built-in sample to batches of token ids."""
