"""Find the files that an `--input` names. First step of the verb `predict`; next: `formats`."""

from __future__ import annotations

from pathlib import Path

from polarity_cli.config import Context
from polarity_cli.errors import UsageError
from polarity_cli.formats import is_readable
from polarity_cli.formats.class_folders import list_classes


def list_input_files(name: str, context: Context) -> list[Path]:
    """Return the files of a path, a glob or a folder.

    Raises:
        UsageError: there are none.
    """
    from polarity_cli.data.sources import expand, find_source

    paths = expand(name)
    if not paths:
        raise UsageError(f"--input {name}: no such file or folder.")
    (path, *_) = paths
    if len(paths) > 1 or not path.is_dir() or list_classes(path):
        return paths
    files = sorted(inner for inner in path.iterdir() if inner.is_file() and not inner.name.startswith((".", "_")))
    readable = [file for file in files if is_readable(file)]
    if not readable and any(inner.is_dir() for inner in path.iterdir()):
        source = find_source(name, rows=None, context=context)
        for note in source.notes:
            context.observer.note(note)
        return [file for paths in source.files.values() for file in paths]
    if not readable:
        raise UsageError(f"--input {name}: no file of a known format in it.", hint="Name the files, with --input-format.")
    over = [file.name for file in files if not is_readable(file)]
    if over:
        shown = ", ".join(over[:10]) + (f" and {len(over) - 10:,} more" if len(over) > 10 else "")
        context.observer.note(f"{name}: passed over {shown}.")
    return readable
