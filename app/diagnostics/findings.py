"""The checks of `pos doctor` and their findings."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")


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


#: Level, message and remedy.
Verdict = tuple[Level, str, str]


def ok(message: str) -> Verdict:
    return Level.OK, message, ""


def warning(message: str, remedy: str) -> Verdict:
    return Level.WARNING, message, remedy


def wrong(message: str, remedy: str) -> Verdict:
    return Level.WRONG, message, remedy


UNKNOWN: Final = warning("It could not be looked at, or not in time.", "Look again when the database is less busy.")


#: Returns the fact that a function collects, None if it is unknown.
Get = Callable[[Callable[[Any], T]], T | None]


class Check(NamedTuple):
    """A check.

    :ivar judge: returns the verdict on a fact; None if there is nothing to say. Pure.
    :ivar unknown: the verdict on an unknown fact.
    """

    name: str
    collect: Callable[[Any], Any]
    judge: Callable[[Any], Verdict | None]
    unknown: Verdict | None = UNKNOWN


def run(checks: Iterable[Check], get: Get[Any]) -> Iterator[Finding]:
    for check in checks:
        fact = get(check.collect)
        verdict = check.unknown if fact is None else check.judge(fact)
        if verdict is not None:
            yield Finding(check.name, *verdict)
