"""Where predictions are written to: standard output, or a file that appears when it is complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from polarity_cli.errors import UsageError
from polarity_cli.formats.compression import create_bytes, split_suffix
from polarity_cli.formats.record import FORMATS_BY_SUFFIX


def find_output_format(path: Path | None, asked: str | None, input_format: str) -> str:
    """Return the format of an output: the one asked for, or by the file's suffix, or the input's.

    Raises:
        UsageError: the suffix is of something that is not written.
    """
    suffix = split_suffix(path)[0] if path else ""
    if asked:
        return asked
    if suffix in (".json", ".parquet"):
        raise UsageError(f"--output {path}: {suffix} is not written.", hint="Choose .jsonl, .csv, .tsv or .txt, or say --format.")
    return FORMATS_BY_SUFFIX.get(suffix, input_format)


@contextmanager
def open_output(path: Path | None) -> Iterator[IO[bytes]]:
    """Give a stream to write to: standard output, or a file that gets its name when the block ends well.

    The suffixes .gz, .bz2 and .zst compress it; what is flushed then stays in the compressor until the end.

    Where the block fails, what was written stays beside it as `NAME.partial`; a file that was there before is untouched.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        return
    path = Path(os.path.realpath(path))  # a link stays, and what it names is written
    direct = path.exists() and not path.is_file()  # a FIFO or a device has no later name
    partial = path if direct else path.with_name(f"{path.name}.partial")
    try:
        stream = create_bytes(partial, compression=split_suffix(path)[1])
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written ({error.strerror}).") from error
    with stream:
        yield stream
    if not direct:
        partial.replace(path)
