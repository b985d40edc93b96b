"""The page of `polarity evaluate --report`: `content` says what is on it, `charts` and `page` draw it."""
