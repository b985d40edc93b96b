"""Text as it is read, joined and shown: the one way in which a review becomes a text, and no text that steers a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_SURROGATES = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def join_text(parts: Iterable[str]) -> str:
    """Return title and content as one text: `title: content`, as the fastText copies of the data set write it.

    Empty parts are left out, so a review without a title is its content alone. Training, evaluation and prediction all come
    through here.
    """
    return clean_text(": ".join(part for part in (part.strip() for part in parts) if part))


def clean_text(text: str) -> str:
    """Return a text with U+FFFD for what no UTF-8 holds: half a surrogate pair from JSON, or an undecodable byte."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def make_printable(text: str, *, instead: str = "\ufffd", kept: str = "\n") -> str:
    """Return a text that cannot steer the terminal that shows it.

    Control characters (escape sequences lose what makes them one), marks that turn the writing's direction, and what nobody would
    see become `instead`, but for those in `kept`; spaces of other widths become spaces. The joiners that Persian, Indic scripts
    and emoji are spelled with stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) or c in kept else " " if c in _SPACES else instead for c in text)


def escape_unprintable(text: str) -> str:
    """Return a JSON text with the characters escaped that `make_printable` would replace: the same JSON."""
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) or c in "\n\t" else json.dumps(c)[1:-1] for c in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in _JOINERS
