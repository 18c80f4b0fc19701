"""The findings of `pos doctor`."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """The result of one check. `says` is what was found, `mend` what to do; empty if there is nothing to do."""

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
