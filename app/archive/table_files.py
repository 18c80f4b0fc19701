"""Tables as files: CSV for every program, XLSX for people. Rows are written as they come, in bounded memory."""

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

#: What XLSX allows on one sheet, the headers included.
MAX_ROWS: Final = 2**20
#: What is full or missing where the folder is that a book is put together in.
_PRIVATE: Final = "The folder for temporary files (TMPDIR)"
_BOM: Final = "\ufeff"
_FORMATS: Final = {
    # A text that is edited stays one: else `007` would become 7 then.
    Kind.TEXT: "@",
    Kind.MONEY: "#,##0.00",
    Kind.DATE: "yyyy-mm-dd",
    Kind.INSTANT: "yyyy-mm-dd hh:mm:ss",
    Kind.COUNT: "0",
}

AddRow = Callable[[Sequence[Cell]], None]


@contextmanager
def csv_file(stream: BinaryIO, table: Table, *, bom: bool) -> Iterator[AddRow]:
    """Yields what takes the rows. bom: whether it begins with the mark by which Excel knows UTF-8."""
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
    """Yields what takes the rows. Where there are more than a sheet may have, they go on on the next one."""
    with ExitStack() as stack:
        with writing(_PRIVATE):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pos-"))
            sheets = _Sheets(Path(folder, "book.xlsx"), table, max_rows)
        yield sheets.add
        with sheets.closed() as book:
            shutil.copyfileobj(book, stream, 2**20)


class _Sheets:
    """The sheets of a workbook, filled one after the other.

    :param path: in a folder of its own, where rows wait in files until the end.
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
        """The whole book, to read."""
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
        """Each kind by the method of its own: what a text looks like never decides what it is."""
        look = self._formats.get(column.kind)
        if isinstance(cell, str):
            self._sheet.write_string(self._row, position, escape_workbook(cell), look)
        elif isinstance(cell, date | datetime):
            self._sheet.write_datetime(self._row, position, cell, look)
        else:
            self._sheet.write_number(self._row, position, cell / 10 ** PLACES.get(column.kind, 0), look)
