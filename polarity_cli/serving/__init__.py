"""Using a model: predictions for streams of records."""
