"""Read and write delimited tables: `.csv`, `.tsv`, `.tab`. One module of the table in `formats`; next: `data/columns`.

A broken row spoils no other: its lines are read again from the second on.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from polarity_cli.errors import DataError
from polarity_cli.formats.column_names import is_known_name
from polarity_cli.formats.decoding import Lines, emit
from polarity_cli.formats.dialect import NAMES, Dialect, find_dialect, has_header
from polarity_cli.formats.jsonl import dump_json
from polarity_cli.formats.record import Input, Record, Stream, check_names, name_columns
from polarity_cli.formats.rows import Row, Rows, strip_end

_LOOK_LINES, _LOOK_CHARACTERS = 1000, 1 << 18
"""The dialect is found by so many lines or characters of a file, and by the first line of a pipe."""
_CELL = 64
"""Memory that a cell takes beside its characters, in characters."""
_LAYOUTS_OF_2015 = {3: ["label", "title", "content"], 2: ["label", "content"]}
"""The columns of the files that Zhang, Zhao, LeCun 2015 (arXiv 1509.01626) published, which have no header."""


def read(source: Input) -> Stream:
    """Return the rows of a table as a stream.

    Raises:
        DataError: the first row is broken, or names a column twice; or it is no table but JSON or a web page.
    """
    return read_lines(source, Lines(source.stream, source.name, encoding=source.options.encoding))


def read_lines(source: Input, lines: Lines) -> Stream:
    """Return the rows of a table, given its lines; see `read`."""
    default = "\t" if source.suffix in (".tsv", ".tab", ".txt") or source.format == "tsv" else ","
    look = (_LOOK_LINES, _LOOK_CHARACTERS) if source.is_file else (1, 1)
    sample, is_whole = lines.look_ahead(*look)
    _refuse_other(sample[0] if sample else "", source.name)
    dialect, first_rows = find_dialect(sample, default=default, option=source.options.delimiter, is_whole=is_whole)
    for _ in range(bool(dialect.sep_line)):
        next(lines)
    rows = Rows(lines, dialect)
    return _make_stream(source, lines, rows, first_rows, default=default)


def _make_stream(source: Input, lines: Lines, rows: Rows, first_rows: list[list[str]], *, default: str) -> Stream:
    dialect, name = rows.dialect, source.name
    first = next((row for row in rows if row.error or "".join(row.values)), None)
    stream = Stream(name, source.format, iter(()), delimiter=dialect.delimiter, is_file=source.is_file, encoding=lines.encoding)
    stream.has_mark, stream.sep_line = lines.has_mark, dialect.sep_line
    stream.is_quoted = dialect.quoting in ("doubled", "backslash")
    if first is None:
        return stream
    if first.error:
        raise DataError(f"{name}:{first.line}: {first.error}.")
    is_2015 = _is_of_2015([first.values, *first_rows])
    is_named = not is_2015 and (
        has_header(first_rows or [first.values]) if source.options.header is None else source.options.header
    )
    if is_named:
        names = ["", *first.values] if dialect.has_row_names else first.values
        stream.columns, stream.header, stream.place = name_columns(names), list(names), f"{name}:{first.line}"
        check_names(stream.columns, f"{name}:{first.line}")
    else:
        is_2015 = is_2015 and source.options.header is None
        stream.columns = _LAYOUTS_OF_2015[len(first.values)] if is_2015 else name_columns([""] * len(first.values))
    rows.n_columns = len(stream.columns)
    stream.records = _read_records(rows, lines, stream, None if is_named else first, breaks_lines=is_2015)
    stream.notes = _describe(dialect, lines, default=default, columns=None if is_named or is_2015 else stream.columns)
    return stream


def _is_of_2015(rows: list[list[str]]) -> bool:
    """Return whether each row is a class from 1 to 5, a title and a content, or a class and a content."""
    n_columns = len(rows[0])
    return (
        n_columns in _LAYOUTS_OF_2015
        and all(len(row) == n_columns and row[0] in ("1", "2", "3", "4", "5") for row in rows if any(row))
        and (n_columns == 3 or any("\\n" in row[1] for row in rows))
        and not any(is_known_name(cell) for cell in rows[0])
    )


def _refuse_other(line: str, name: str) -> None:
    """Refuse a table whose first line is of another format.

    Raises:
        DataError: it is JSON or HTML.
    """
    start = line.lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{name}: no table, but a web page or XML by its first line.", hint="Download the file itself.")
    if start.startswith(('{"', "[{", "{ ")) and start.rstrip().endswith(("}", "},", "]", "[{", "{")):
        raise DataError(f"{name}: no table, but JSON by its first line.", hint="Call it .jsonl (an object a line) or .json.")


def _describe(dialect: Dialect, lines: Lines, *, default: str, columns: list[str] | None) -> list[str]:
    """Return phrases that say how the table differs from what its suffix implies."""
    parts = []
    if dialect.delimiter != default:
        parts.append(f"cells between {NAMES.get(dialect.delimiter, repr(dialect.delimiter))}")
    if dialect.quoting == "backslash":
        parts.append("quotes behind backslashes")
    if dialect.quoting == "none" and dialect.delimiter != "\t":
        parts.append("quotes that mean nothing")
    if dialect.quoting == "doubled" and dialect.delimiter == "\t":
        parts.append("cells in quotes")
    if dialect.has_row_names:
        parts.append("a name before each row")
    if not lines.encoding.startswith("utf-8"):
        parts.append(lines.encoding)
    if columns is not None:
        parts.append(f"no header, so its columns are {', '.join(columns[:8])}{', ...' if len(columns) > 8 else ''}")
    return parts


def _read_records(rows: Rows, lines: Lines, stream: Stream, first: Row | None, *, breaks_lines: bool) -> Iterator[Record]:
    columns, name = stream.columns or [], stream.name
    n_columns, number = len(columns), 0
    cells_size = _CELL * n_columns
    lines.take_undecodable()
    row = first or next(rows, None)
    while row is not None:
        values, number = row.values, number + 1
        where = f"{name}:{row.line}"
        undecodable = lines.take_undecodable() if lines.undecodable else 0
        size = row.size + cells_size
        if len(values) != n_columns and not row.error:
            values = [""] * n_columns if values in ([], [""]) else _fit_blank(values, columns)
        if row.error or len(values) != n_columns:
            yield _break(row, values, stream, where, number, size)
        else:
            if breaks_lines:
                values = [value.replace("\\n", "\n") for value in values]
            yield Record(dict(zip(columns, values, strict=True)), "", where, number, size, None, undecodable)
        row = next(rows, None)


def _fit_blank(values: list[str], columns: list[str]) -> list[str]:
    """Return values without empty cells after the last column, and with empty cells for nameless columns at the end."""
    n_columns = len(columns)
    if len(values) < n_columns and all(name.startswith("unnamed_") for name in columns[len(values) :]):
        return [*values, *[""] * (n_columns - len(values))]
    return values[:n_columns] if len(values) > n_columns and not any(values[n_columns:]) else values


def _break(row: Row, values: list[str], stream: Stream, where: str, number: int, size: int) -> Record:
    columns, delimiter = stream.columns or [], stream.delimiter or ","
    problem = row.error or f"{len(values)} fields, expected {len(columns)} ({', '.join(columns[:8])})"
    fields: dict[str, object] = dict(zip(columns, _fit(values or [row.raw], len(columns), delimiter), strict=True))
    return Record(fields, row.raw or delimiter.join(values), where, number, 2 * size, DataError(f"{where}: {problem}."))


def _fit(values: list[str], n_columns: int, separator: str) -> list[str]:
    """Return one value a column: missing ones are empty, and the last takes all that is left over."""
    head = values[: n_columns - 1] if len(values) > n_columns else values
    rest = [separator.join(values[n_columns - 1 :])] if len(values) > n_columns else [""] * (n_columns - len(values))
    return [*head, *rest]


_SEPARATORS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})
_MARK = b"\xef\xbb\xbf"
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""Beginnings of cells that a spreadsheet may run as a formula; the last four are the same signs in full width."""


class DelimitedSink:
    """Write rows of CSV or TSV, below a header where the input had one."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str], *, delimiter: str, is_quoted: bool, escaped: bool) -> None:
        self._stream, self._columns, self._escaped = stream, list(columns), escaped
        self._delimiter, self._is_quoted = delimiter, is_quoted

    def begin(self, header: Sequence[str] | None, *, has_mark: bool, sep_line: str) -> None:
        """Write the byte order mark, the line `sep=` and the header, as far as there are any."""
        if has_mark:
            self._stream.write(_MARK)  # so that a spreadsheet opens it as the input
        if sep_line:
            emit(self._stream, strip_end(sep_line) + "\n")
        if header is not None:
            self._write_cells(header)

    def write(self, row: Mapping[str, object], answer: Mapping[str, object] | None = None) -> None:
        """Write one row and what is added to it."""
        row = row if answer is None else {**row, **answer}
        self._write_cells([_as_cell(row.get(name)) for name in self._columns])

    def finish(self) -> None:
        """Do nothing: every row is written at once."""

    def _write_cells(self, cells: Sequence[str]) -> None:
        if self._escaped:
            cells = [f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells]
        format_line = format_quoted_line if self._is_quoted else format_plain_line
        emit(self._stream, format_line(cells, self._delimiter))


def make_sink(
    format: str, stream: IO[bytes], columns: Sequence[str], *, added: Mapping[str, str], like: Stream | None, escaped: bool
) -> DelimitedSink:
    """Return a sink that uses the input's delimiter where that has the same format; see `output_file.make_sink`."""
    follows = like is not None and like.format == format and like.delimiter is not None
    delimiter = (like.delimiter if like is not None and follows else None) or ("\t" if format == "tsv" else ",")
    is_quoted = delimiter != "\t" or (follows and like is not None and like.is_quoted)
    sink = DelimitedSink(stream, [*columns, *added], delimiter=delimiter, is_quoted=is_quoted, escaped=escaped)
    own = (like.header if like is not None and like.header is not None else columns) if _is_named(like) else None
    header = None if own is None else [*own, *added]
    has_mark, sep_line = (like.has_mark, like.sep_line if follows else "") if like is not None else (False, "")
    sink.begin(header, has_mark=has_mark, sep_line=sep_line)
    return sink


def _is_named(like: Stream | None) -> bool:
    """Return whether the output gets a header: not where the input was a table without one."""
    return like is None or like.delimiter is None or like.header is not None


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    cell = value if isinstance(value, str) else dump_json(value)
    is_quoted = cell.startswith('"') and not isinstance(value, str)  # what JSON has no type for: a date, a decimal number, bytes
    return str(json.loads(cell)) if is_quoted else cell


def format_quoted_line(values: Sequence[str], delimiter: str = ",") -> str:
    """Return values as a line of CSV."""
    line = io.StringIO()
    # The csv module quotes a carriage return only where it is part of the line's end; a bare one would break the row.
    csv.writer(line, lineterminator="\r\n", delimiter=delimiter).writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def format_plain_line(values: Sequence[str], delimiter: str = "\t") -> str:
    """Return values as a line without quotes, as in TSV: tabs and line breaks become spaces."""
    return delimiter.join(value.translate(_SEPARATORS) for value in values) + "\n"
