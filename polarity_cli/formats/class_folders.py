"""Read a folder with a subfolder a class, `neg/` and `pos/`, and a text a file. Opened by `formats.open_path` for a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polarity_cli.errors import DataError
from polarity_cli.formats.compression import LONGEST_RECORD, open_bytes, split_suffix
from polarity_cli.formats.decoding import Lines
from polarity_cli.formats.record import Record, Stream
from polarity_cli.read_options import ReadOptions

UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled"})
"""Folders beside the classes whose texts have no label."""
_SPLITS = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev", "data"})
"""Folders that may hold classes but are no class."""


def list_classes(folder: Path) -> dict[str, list[Path]]:
    """Return the text files of each class, by the names of the subfolders; empty for fewer than two classes."""
    classes: dict[str, list[Path]] = {}
    # `year=2024` is a part of a table, as Hive and Spark write them.
    inside = (path for path in folder.iterdir() if not path.name.startswith(".") and "=" not in path.name)
    for inner in sorted(path for path in inside if path.is_dir()):
        texts = sorted(path for path in inner.iterdir() if path.is_file() and split_suffix(path)[0] == ".txt")
        if texts and inner.name.lower() not in (*UNLABELLED, *_SPLITS):
            classes[inner.name] = texts
    return classes if len(classes) > 1 else {}


def read_folder(folder: Path, options: ReadOptions) -> Stream:
    """Return a stream with a record for each text file, whose columns are `text` and `label`.

    Classes take turns, so that the first rows are not all of one.
    """
    classes = list_classes(folder)
    stream = Stream(str(folder), "text", _read_texts(classes, options), columns=["text", "label"], is_file=True)
    stream.notes = [f"a folder a class: {', '.join(classes)}"]
    stream.encoding = options.encoding or "utf-8"
    return stream


def _read_texts(classes: dict[str, list[Path]], options: ReadOptions) -> Iterator[Record]:
    most = max(map(len, classes.values()), default=0)
    order = [(name, texts[i]) for i in range(most) for name, texts in classes.items() if i < len(texts)]
    for number, (name, path) in enumerate(order, 1):
        text, undecodable = _read_text(path, options)
        fields: dict[str, object] = {"text": text, "label": name}
        yield Record(fields, "", str(path), number, len(text) + 64, None, undecodable)


def _read_text(path: Path, options: ReadOptions) -> tuple[str, int]:
    """Return a file's text, and the number of its first line with undecodable bytes, or 0."""
    with open_bytes(path) as stream:
        lines = Lines(stream, str(path), encoding=options.encoding)
        parts: list[str] = []
        size = 0
        for line in lines:
            parts.append(line)
            size += len(line)
            if size > LONGEST_RECORD:
                raise DataError(f"{path}: a text of more than {LONGEST_RECORD:,} characters.")
        return "".join(parts), lines.undecodable
