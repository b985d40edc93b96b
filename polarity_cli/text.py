"""Join a review's parts to one text, and make texts safe to show on a terminal. Used by every room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_SURROGATES = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def join_text(parts: Iterable[str]) -> str:
    """Return title and content as one text: `title: content`, as in the fastText copies of the data set.

    Empty parts are left out, so a review without a title is its content alone. Training, evaluation and prediction all use this.
    """
    return clean_text(": ".join(part for part in (part.strip() for part in parts) if part))


def clean_text(text: str) -> str:
    """Return a text with U+FFFD for lone surrogates, from JSON or from undecodable bytes, which UTF-8 cannot encode."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def make_printable(text: str, *, instead: str = "\ufffd", keep: str = "\n") -> str:
    """Return a text that cannot steer the terminal that shows it.

    Control characters (which disarms escape sequences), marks that change the direction of writing, and invisible characters
    become `instead`, except those in `keep`; spaces of other widths become plain ones. The joiners that Persian, Indic scripts
    and emoji need stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) or c in keep else " " if c in _SPACES else instead for c in text)


def escape_unprintable(text: str) -> str:
    """Return the same JSON with the characters escaped that `make_printable` would replace."""
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) or c in "\n\t" else json.dumps(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS
