"""What a check came to."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """check: what was looked at; says: what was found; mend: what to do, empty where nothing is."""

    check: str
    level: Level
    says: str
    mend: str = ""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.WARNING, says, mend)


def wrong(check: str, says: str, mend: str) -> Finding:
    return Finding(check, Level.WRONG, says, mend)
