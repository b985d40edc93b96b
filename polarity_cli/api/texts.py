"""From the values that Python programs hold texts in to a list of texts. Next: `api/predictor`; tables are in `api/tables`.

No library is imported for it: a value of pandas, polars or Arrow is known by its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

PART = 1024
"""Most texts that are labelled together: enough to find others of the same length."""
_MOST_CHARACTERS = 1 << 20
"""Characters of a text and those before it after which a part is full."""
_EXPECTED = "a text, a list, array or series of texts, or a table of pandas, polars or Arrow"


def is_of(value: object, library: str, *names: str) -> bool:
    """Tell whether a value is of a library's class of one of these names, or of one that inherits from it."""
    classes = ((base.__module__.split(".")[0], base.__name__) for base in type(value).__mro__)
    return any((library, name) in ((module, found),) for module, found in classes for name in names)


def is_column(value: object) -> bool:
    """Tell whether a value is a list of values, in any of the forms that `list_values` reads."""
    is_array = (
        is_of(value, "numpy", "ndarray") or is_of(value, "torch", "Tensor") or is_of(value, "pyarrow", "Array", "ChunkedArray")
    )
    is_series = is_of(value, "pandas", "Series", "Index", "ExtensionArray") or is_of(value, "polars", "Series")
    return is_array or is_series or (isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview))


def list_values(values: Any) -> list[object]:
    """Return a column's values as Python's own, those that are missing as None."""
    if is_of(values, "pandas", "Series", "Index", "ExtensionArray"):
        values = values.astype(object)
    elif is_of(values, "numpy", "ndarray") and values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # finer ones become numbers
    if is_of(values, "polars", "Series"):
        values = values.to_list()
    elif is_of(values, "pyarrow", "Array", "ChunkedArray"):
        values = values.to_pylist()
    elif hasattr(values, "tolist"):
        values = values.tolist()
    return [_make_plain(value) for value in values]


def _make_plain(value: Any) -> object:
    if value is None or type(value) is str:
        return value
    if is_of(value, "pandas", "NAType", "NaTType"):
        return None
    is_scalar = is_of(value, "numpy", "generic") and not isinstance(value, str | bytes)
    return value.item() if is_scalar else value


def list_texts(values: Any) -> list[str]:
    """Return texts as a list, those that are missing (None, NaN) as blank ones.

    Raises:
        TypeError: it is no list of texts, or one of them is something else.
    """
    if is_of(values, "numpy", "ndarray") and values.ndim != 1:
        raise TypeError(f"Found an array of {values.ndim} dimensions, {values.shape}; expected (N,): give array.ravel().")
    if not is_column(values):
        hint = " Give list(...)." if isinstance(values, Iterable) and not isinstance(values, bytes | bytearray) else ""
        hint = " Give dataset.map(predictor, batched=True)." if is_of(values, "datasets", "Dataset", "DatasetDict") else hint
        raise TypeError(f"Found {type(values).__name__}; expected {_EXPECTED}.{hint}")
    return [_as_text(value, number) for number, value in enumerate(list_values(values), 1)]


def _as_text(value: object, number: int) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    hint = " Give value.decode()." if isinstance(value, bytes | bytearray) else ""
    hint = ' For a table give its columns: {"text": [...]}.' if isinstance(value, dict) else hint
    raise TypeError(f"Text {number} is {type(value).__name__}; expected str, or None or NaN for a blank one.{hint}")


def divide(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield texts in parts of at most 1024, and of about a million characters."""
    start = n_characters = 0
    for index, text in enumerate(texts):
        n_characters += len(text)
        if index + 1 - start == PART or n_characters >= _MOST_CHARACTERS:
            yield list(texts[start : index + 1])
            start, n_characters = index + 1, 0
    if start < len(texts):
        yield list(texts[start:])
