"""Read and write a sheet of a workbook, `.xlsx`. One module of the table in `formats`; needs the extra `excel`.

Read by python-calamine, whose Rust reader takes a tenth of openpyxl's time; written by XlsxWriter, which keeps a row in memory.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO, Any

from polarity_cli.errors import DataError, UsageError
from polarity_cli.extras import require_extra
from polarity_cli.formats.compression import Growth
from polarity_cli.formats.dialect import has_header
from polarity_cli.formats.record import Input, Record, Stream, check_names, name_columns
from polarity_cli.text import clean_text

MOST_ROWS, LONGEST_CELL = 1_048_576, 32_767
"""What a sheet can hold."""
_LOOK_ROWS = 100


def read(source: Input) -> Stream:
    """Return the rows of a sheet as a stream: the first that is not empty, or the one that `--sheet` names.

    Raises:
        DataError: the workbook is damaged, encrypted or empty; UsageError: the extra is not installed, or there is no such sheet.
    """
    require_extra("excel", source.name)
    import python_calamine as calamine

    data = source.stream.read()
    _check_size(source, data)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = book.sheet_names
        option = source.options.sheet
        if option is not None and option not in names:
            shown = ", ".join(map(repr, names[:20]))
            raise UsageError(f"--sheet {option}: {source.name} has no such sheet.", hint=f"Its sheets are {shown}.")
        sheets = ((name, book.get_sheet_by_name(name)) for name in ([option] if option is not None else names))
        name, sheet = next(((n, s) for n, s in sheets if s.total_height or option is not None), (names[0] if names else "", None))
        rows = [] if sheet is None else sheet.to_python(skip_empty_area=True)
        first = (sheet.start or (0, 0))[0] + 1 if sheet is not None else 1
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise DataError(
            f"{source.name}: no workbook that can be read ({str(error)[:200]}).", hint="Save it as .xlsx again."
        ) from error
    others = [other for other in names if other != name]
    return _make_stream(source, name, [[_as_cell(v) for v in row] for row in rows], first, others)


def _check_size(source: Input, data: bytes) -> None:
    growth = Growth(source.path, source.n_compressed or len(data), name=source.name)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            growth.add(sum(member.file_size for member in archive.infolist()))
    except zipfile.BadZipFile as error:
        raise DataError(f"{source.name}: no workbook that can be read ({error}).", hint="Save it as .xlsx again.") from error


def _make_stream(source: Input, sheet: str, rows: list[list[object]], first: int, others: list[str]) -> Stream:
    stream = Stream(source.name, source.format, iter(()), is_file=True)
    while rows and not any(cell != "" for cell in rows[0]):
        rows, first = rows[1:], first + 1
    if not rows:
        return stream
    texts = [[str(cell) for cell in row] for row in rows[:_LOOK_ROWS]]
    is_named = has_header(texts) if source.options.header is None else source.options.header
    header = texts[0] if is_named else [""] * len(texts[0])
    stream.columns, stream.header = name_columns(header), header if is_named else None
    if is_named:
        check_names(stream.columns, f"{source.name}: row {first}")
    body = rows[1:] if is_named else rows
    stream.records = _read_rows(body, stream.columns, source.name, first + is_named)
    stream.notes = [f"the sheet {sheet!r}, not {', '.join(map(repr, others[:5]))}"] if others else []
    if not is_named:
        stream.notes.append(f"no header, so its columns are {', '.join(stream.columns[:8])}")
    return stream


def _read_rows(rows: list[list[object]], columns: Sequence[str], name: str, first: int) -> Iterator[Record]:
    for number, cells in enumerate(rows, 1):
        size = sum(len(cell) if isinstance(cell, str) else 8 for cell in cells) + 64 * len(columns)
        fields = dict(zip(columns, cells, strict=False))
        yield Record(fields, "", f"{name}: row {first + number - 1}", number, size)


def _as_cell(value: object) -> object:
    """Return a cell's value: whole numbers, which a workbook keeps as floats, as int, and dates as text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, date | datetime | time | timedelta):
        return str(value)
    return value


def make_sink(
    format: str, stream: IO[bytes], columns: Sequence[str], *, added: Mapping[str, str], like: Stream | None, escaped: bool
) -> SheetSink:
    """Return a sink for a workbook; see `output_file.make_sink`."""
    return SheetSink(stream, [*columns, *added])


class SheetSink:
    """Write a workbook with one sheet, a row at a time; no text becomes a formula."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str]) -> None:
        require_extra("excel", "The format xlsx")
        import xlsxwriter

        self._stream, self._buffer = stream, io.BytesIO()
        self._book: Any = xlsxwriter.Workbook(self._buffer, {"constant_memory": True, "strings_to_formulas": False})
        self._sheet: Any = self._book.add_worksheet()
        self._columns, self._row = list(columns), 0
        self._write_cells(self._columns)

    def write(self, row: Mapping[str, object], answer: Mapping[str, object] | None = None) -> None:
        """Write one row and what is added to it.

        Raises:
            DataError: a sheet cannot hold it.
        """
        row = row if answer is None else {**row, **answer}
        self._write_cells([row.get(name) for name in self._columns])

    def finish(self) -> None:
        """Write the workbook."""
        self._book.close()
        self._stream.write(self._buffer.getvalue())

    def _write_cells(self, cells: Sequence[object]) -> None:
        if self._row >= MOST_ROWS:
            raise DataError(f"A sheet holds {MOST_ROWS:,} rows, and there are more.", hint="Write .csv or .parquet instead.")
        for column, value in enumerate(cells):
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                self._sheet.write_boolean(self._row, column, value)
            elif isinstance(value, int | float) and abs(value) < 1e15:
                self._sheet.write_number(self._row, column, value)
            else:
                self._write_text(column, value if isinstance(value, str) else str(value))
        self._row += 1

    def _write_text(self, column: int, text: str) -> None:
        if len(text) > LONGEST_CELL:
            raise DataError(
                f"Row {self._row + 1}: a cell of a sheet holds {LONGEST_CELL:,} characters, and this text has {len(text):,}.",
                hint="Write .csv or .parquet instead.",
            )
        self._sheet.write_string(self._row, column, clean_text(text))
