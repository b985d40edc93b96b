"""Find the files that an `--input` names, at any depth. First step of the verb `predict`; next: `formats`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.config import Context
from polarity_cli.errors import UsageError
from polarity_cli.formats import is_readable
from polarity_cli.formats.class_folders import UNLABELLED, list_classes

PARTIAL = ".partial"
"""What ends the name of an output that is not complete."""
_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class InputFile:
    """A file, or a folder of classes, and where it stands below what was named."""

    path: Path
    relative: Path
    """Below the folder that was named, or that a pattern begins with; the name alone of a file that was named itself."""
    is_listed: bool = False
    """Whether a folder or a pattern was named: there may be more of them another time."""


def list_input_files(name: str, context: Context, *, output: Path | None = None) -> list[InputFile]:
    """Return the files of a path, a pattern or a folder, in order; of a folder those below it, too.

    What an earlier run left is no input: files whose names say that they are not complete, hidden ones, and those in `output`
    where that lies below the folder. What is passed over is said.

    Raises:
        UsageError: there are none.
    """
    path = Path(name)
    over: list[Path] = []
    if path.exists() or not _MAGIC & set(name):
        if not path.exists():
            raise UsageError(f"--input {name}: no such file or folder.")
        if not path.is_dir():
            return [InputFile(path, Path(path.name))]
        base, found = path, list(_walk(path, over, _find_own(path, output), set()))
    else:
        base = _find_base(name)
        found = _match(name, over, _find_own(base, output))
    if over:
        shown = ", ".join(str(inner.relative_to(base)) for inner in over[:10])
        more = f" and {len(over) - 10:,} more" if len(over) > 10 else ""
        context.observer.note(f"{name}: passed over {shown}{more}.")
    if not found:
        where = "no file of a known format in it" if base == path else "no file matches"
        hint = "Name the files, with --input-format." if base == path else "Check the pattern; ** goes into folders."
        raise UsageError(f"--input {name}: {where}.", hint=_hint_at_arrow(path) or hint)
    return [InputFile(inner, Path(inner.name) if inner == base else inner.relative_to(base), is_listed=True) for inner in found]


def _walk(folder: Path, over: list[Path], own: str | None, seen: set[str]) -> Iterator[Path]:
    """Yield the files of known formats below a folder, and the folders of classes; `over` gets the other files."""
    real = os.path.realpath(folder)
    if real in seen:  # by a link
        return
    seen.add(real)
    if list_classes(folder):
        over += [inner for inner in sorted(folder.iterdir()) if inner.name.lower() in UNLABELLED]
        yield folder
        return
    for inner in sorted(folder.iterdir()):
        if inner.name.startswith((".", "_")):
            continue
        if own is not None and os.path.realpath(inner) == own:
            over.append(inner)
        elif inner.is_dir():
            yield from _walk(inner, over, own, seen)
        elif inner.is_file() and is_readable(inner):
            yield inner
        else:
            over.append(inner)


def _match(name: str, over: list[Path], own: str | None) -> list[Path]:
    """Return the files that a pattern matches; where it matches folders alone, the files below them."""
    import glob

    matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
    files: list[Path] = []
    for path in matches:
        if path.is_dir():
            continue
        is_own = own is not None and (os.path.realpath(path) + os.sep).startswith(own + os.sep)
        (over if path.name.endswith(PARTIAL) or is_own else files).append(path)
    if files or over:
        return files
    seen: set[str] = set()
    return [inner for folder in matches for inner in _walk(folder, over, own, seen)]


def _find_base(name: str) -> Path:
    """Return the folder that a pattern begins with, up to its first part with a sign."""
    parts = Path(name).parts
    n_plain = next(number for number, part in enumerate(parts) if _MAGIC & set(part))
    return Path(*parts[:n_plain])


def _find_own(base: Path, output: Path | None) -> str | None:
    """Return where the output really is, if it lies below a folder that is read."""
    if output is None or str(output) == "-":
        return None
    real, folder = os.path.realpath(output), os.path.realpath(base)
    return real if real != folder and real.startswith(folder.rstrip(os.sep) + os.sep) else None


def _hint_at_arrow(path: Path) -> str | None:
    if path.is_dir() and (any(path.glob("*.arrow")) or any(path.glob("*/*.arrow"))):
        return "A data set of save_to_disk is not read: save it with to_parquet."
    return None
