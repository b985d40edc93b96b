"""The encoder: its family, what is frozen of it, and its two parts, the trunk below the cut and the top above it."""
