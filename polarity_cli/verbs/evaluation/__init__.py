"""From a checkpoint and labelled reviews to all that is said of it. Used by the verbs `evaluate` and `train`."""
