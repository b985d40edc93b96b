"""The pictures of the README: what draws them, and that the files are what it draws."""
