"""Open and create files, compressed or not, and report damaged ones. First step of reading; next: `formats/decoding`."""

from __future__ import annotations

import importlib
import io
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from polarity_cli.errors import DataError

if TYPE_CHECKING:
    import zipfile

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
LONGEST_RECORD = 1 << 26
"""Characters of the longest line or record that is read: twenty times the longest novels, and still little memory."""
GROWTH_BYTES, _GROWTH_TIMES = 1 << 30, 100
"""A file that decompresses to more than so many bytes, and to more than so many times its size, is no text: reviews grow 2 to 10
times, one line over and over some hundred times, a bomb a thousand times and more."""
_BUFFER_BYTES = 1 << 17


def split_suffix(path: Path) -> tuple[str, str]:
    """Return the format suffix and the compression suffix (or empty) of a file's name, in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    return (suffixes[-1] if suffixes else ""), compression


def find_suffix(path: Path) -> tuple[str, str]:
    """Return the suffixes as `split_suffix` does, but of an archive the format suffix of the file that it holds.

    Raises:
        DataError: the archive is damaged, or holds no file or several.
    """
    suffix, compression = split_suffix(path)
    if compression == ".zip" and path.is_file():
        with _open_archive(path) as archive:
            suffix = split_suffix(Path(_find_member(archive, path).filename))[0]
    return suffix, compression


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed by its suffix; reading raises DataError where it grows as no text does."""
    _, compression = split_suffix(path)
    if not compression:
        return path.open("rb")
    source: Any = _open_member(path) if compression == ".zip" else _import(compression).open(path, "rb")
    return io.BufferedReader(_Decompressed(source, path), _BUFFER_BYTES)


def _open_member(path: Path) -> IO[bytes]:
    """Open the one file that an archive holds."""
    archive = _open_archive(path)
    try:
        return _Member(archive, archive.open(_find_member(archive, path)))
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: the archive cannot be read ({error}).", hint="Unpack it and name the file.") from error


def _open_archive(path: Path) -> zipfile.ZipFile:
    import zipfile

    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: the compressed file is torn or damaged ({error}).") from error


def _find_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """Return the one file of an archive, without folders, a README, a licence and the files that macOS adds."""
    members = [m for m in archive.infolist() if not m.is_dir() and not _is_beside(m.filename)]
    if len(members) == 1 and split_suffix(Path(members[0].filename))[1]:
        raise DataError(f"{path}: it holds {members[0].filename}, which is compressed itself.", hint="Unpack the archive.")
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:10]) or "nothing"
        raise DataError(
            f"{path}: expected an archive of one file, found {len(members):,}: {names}.", hint="Unpack it and name the files."
        )
    return members[0]


def _is_beside(name: str) -> bool:
    """Return whether a file of an archive holds no reviews: a README, a licence, or a file that macOS adds."""
    last = name.rpartition("/")[2].lower()
    return name.startswith("__MACOSX/") or last.startswith((".", "readme", "license"))


class _Member(io.BufferedReader):
    """A file of an archive; closing it closes the archive."""

    def __init__(self, archive: zipfile.ZipFile, member: IO[bytes]) -> None:
        super().__init__(cast(io.RawIOBase, member))
        self._archive = archive

    def close(self) -> None:
        super().close()
        self._archive.close()


class _Decompressed(io.RawIOBase):
    """The content of a compressed file; reading it raises DataError beyond the limit of `Growth`."""

    def __init__(self, source: io.BufferedIOBase, path: Path) -> None:
        self._source, self._growth = source, Growth(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = self._source.readinto1(buffer)  # what is there: a pipe may be slow
        self._growth.add(n_bytes)
        return n_bytes

    def close(self) -> None:
        self._source.close()
        super().close()


class Growth:
    """Count the bytes that a compressed file decompresses to, and refuse too many."""

    def __init__(self, path: Path | None, size: int | None = None, *, name: str = "") -> None:
        """Set the limit by the file's size, in bytes; a pipe has none and so no limit, since nothing of it is kept."""
        if size is None and path is not None:
            status = path.stat()
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
        self._name, self._size, self._n_bytes = name or str(path), size, 0
        self._most = sys.maxsize if size is None else max(GROWTH_BYTES, _GROWTH_TIMES * size)

    def add(self, n_bytes: int) -> None:
        """Count bytes.

        Raises:
            DataError: they are more than a text that compresses to this size can have.
        """
        self._n_bytes += n_bytes
        if self._n_bytes > self._most:
            raise DataError(
                f"{self._name}: its {self._size:,} bytes became more than {self._most:,}, which is no text but a bomb.",
                hint="If it is meant to be so, decompress it yourself and give the plain file.",
            )


def create_bytes(path: Path, *, compression: str, member: str = "") -> BinaryIO:
    """Create a file for writing, compressed by a suffix of `COMPRESSIONS`, or plain where that is empty.

    An archive holds one file, called `member`.
    """
    if not compression:
        return path.open("wb")
    if compression == ".zip":
        import zipfile

        return _NewMember(zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED), member)
    # The buffer takes the many small writes; flushing it does not flush the compressor, which would undo its work.
    return cast(BinaryIO, io.BufferedWriter(cast(io.RawIOBase, _import(compression).open(path, "wb")), 1 << 20))


class _NewMember(io.BufferedWriter):
    """The one file of a new archive; closing it closes the archive."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        super().__init__(cast(io.RawIOBase, archive.open(name, "w", force_zip64=True)), 1 << 20)
        self._archive = archive

    def close(self) -> None:
        super().close()
        self._archive.close()


def _import(compression: str) -> Any:
    """Import the module of a compression only when it is needed: each takes milliseconds, and most files are plain."""
    zstd = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return importlib.import_module({".gz": "gzip", ".bz2": "bz2", ".xz": "lzma", ".zst": zstd}[compression])


def _damage_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the modules of compressions raise for damaged files."""
    import gzip
    import lzma
    import zipfile
    import zlib

    return EOFError, zlib.error, lzma.LZMAError, _import(".zst").ZstdError, gzip.BadGzipFile, zipfile.BadZipFile


@contextmanager
def report_damage(path: Path | str) -> Iterator[None]:
    """Turn the exceptions of reading a damaged file inside the block into DataError."""
    try:
        yield
    except _damage_errors() as error:
        raise DataError(f"{path}: the compressed file is torn or damaged ({error}).") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
