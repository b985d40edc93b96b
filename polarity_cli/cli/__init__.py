"""The command line: it parses, calls a verb, and prints. Nothing else in the package prints."""
