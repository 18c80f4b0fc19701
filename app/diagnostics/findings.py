"""The findings of `pos doctor`."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """The result of one check. `message` is what was found, `remedy` what to do; empty if there is nothing to do."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, Level.WARNING, message, remedy)


def wrong(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, Level.WRONG, message, remedy)
