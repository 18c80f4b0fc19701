"""Tables as files: CSV for programs, XLSX for people. Rows are written one by one, in bounded memory."""

import csv
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from app.console.output import writing
from schemas.archive.formula_injection import escape_workbook
from schemas.archive.spreadsheets import PLACES, Cell, Column, Kind, Table, format_csv

#: The maximum of rows of an XLSX sheet, with the header.
MAX_ROWS: Final = 2**20
#: The name of the temporary folder in an error.
_PRIVATE: Final = "The folder for temporary files (TMPDIR)"
_BOM: Final = "\ufeff"
_FORMATS: Final = {
    # Format as text, so that Excel does not turn an edited `007` into 7.
    Kind.TEXT: "@",
    Kind.MONEY: "#,##0.00",
    Kind.DATE: "yyyy-mm-dd",
    Kind.INSTANT: "yyyy-mm-dd hh:mm:ss",
    Kind.COUNT: "0",
}

AddRow = Callable[[Sequence[Cell]], None]


@contextmanager
def csv_file(stream: BinaryIO, table: Table, *, bom: bool) -> Iterator[AddRow]:
    """Yield a function that writes a row.

    :param bom: whether the file begins with the byte order mark by which Excel recognizes UTF-8.
    """
    text = io.TextIOWrapper(stream, "utf-8", errors="replace", newline="")
    writer = csv.writer(text)
    kinds = [column.kind for column in table.columns]
    if bom:
        text.write(_BOM)
    writer.writerow([column.title for column in table.columns])
    yield lambda row: writer.writerow([format_csv(kind, cell) for kind, cell in zip(kinds, row, strict=True)])
    text.flush()
    text.detach()


@contextmanager
def xlsx_file(stream: BinaryIO, table: Table, *, max_rows: int = MAX_ROWS) -> Iterator[AddRow]:
    """Yield a function that writes a row. Rows beyond the maximum of a sheet go to the next one."""
    with ExitStack() as stack:
        with writing(_PRIVATE):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pos-"))
            sheets = _Sheets(Path(folder, "book.xlsx"), table, max_rows)
        yield sheets.add
        with sheets.closed() as book:
            shutil.copyfileobj(book, stream, 2**20)


class _Sheets:
    """The sheets of a workbook, filled one after the other.

    :param path: a folder for temporary files.
    """

    def __init__(self, path: Path, table: Table, max_rows: int) -> None:
        self._path = path
        self._book = book = Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        )
        book.use_zip64()
        self._table = table
        self._max_rows = max_rows
        self._formats = {kind: book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        self._header = book.add_format({"bold": True, "bottom": 1})
        self._count = 0
        self._sheet, self._row = self._next_sheet(), 1

    def add(self, row: Sequence[Cell]) -> None:
        with writing(_PRIVATE):
            if self._row == self._max_rows:
                self._sheet, self._row = self._next_sheet(), 1
            for position, (column, cell) in enumerate(zip(self._table.columns, row, strict=True)):
                if cell is not None:
                    self._write(position, column, cell)
        self._row += 1

    def closed(self) -> BinaryIO:
        """Close the workbook, and return the file."""
        with writing(_PRIVATE):
            try:
                self._book.close()
            except FileCreateError as error:
                raise error.args[0] from error
            return self._path.open("rb")

    def _next_sheet(self) -> Worksheet:
        self._count += 1
        sheet = self._book.add_worksheet(self._table.title + (f" {self._count}" if self._count > 1 else ""))
        sheet.freeze_panes(1, 0)
        for position, column in enumerate(self._table.columns):
            sheet.set_column(position, position, column.width)
            sheet.write_string(0, position, column.title, self._header)
        return sheet

    def _write(self, position: int, column: Column, cell: Any) -> None:
        """Write a cell by its type, so that the look of a text never decides its type."""
        look = self._formats.get(column.kind)
        if isinstance(cell, str):
            self._sheet.write_string(self._row, position, escape_workbook(cell), look)
        elif isinstance(cell, date | datetime):
            self._sheet.write_datetime(self._row, position, cell, look)
        else:
            self._sheet.write_number(self._row, position, cell / 10 ** PLACES.get(column.kind, 0), look)
