"""The verbs: each takes a config and a context, and returns what came of it. They never print; `cli/` does."""
