"""Fine-tune the last blocks of a BERT-like encoder for sentiment, and use it from the shell."""

__version__ = "0.1.0"
