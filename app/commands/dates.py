"""Days, as they are written on the command line."""

import time
from datetime import date

import typer


def day(text: str) -> date:
    """:raises BadParameter: it is none."""
    try:
        return date(*time.strptime(text, "%Y-%m-%d")[:3])
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day. Write it as YYYY-MM-DD, like 2026-03-31.") from None
