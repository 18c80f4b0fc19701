"""Dates on the command line."""

import time
from datetime import date

import typer


def day(text: str) -> date:
    """Parse a date, or raise BadParameter."""
    try:
        return date(*time.strptime(text, "%Y-%m-%d")[:3])
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date. Write it as YYYY-MM-DD, for example 2026-03-31.") from None
