"""A clock that tests set."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """The present instant, UTC, wherever a test puts it."""

    now: datetime = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def at(self, text: str) -> None:
        """Sets it to an ISO 8601 instant with an offset."""
        self.now = datetime.fromisoformat(text).astimezone(UTC)

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)
