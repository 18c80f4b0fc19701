"""A clock that tests set."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self


@dataclass
class Clock:
    """A clock that returns the instant that a test has set, UTC."""

    now: datetime = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)

    @classmethod
    def days_ago(cls, days: int) -> Self:
        """Return a clock in the past, whose events may have expired by the database's clock."""
        return cls(datetime.now(UTC) - timedelta(days=days))

    def __call__(self) -> datetime:
        return self.now

    def at(self, text: str) -> None:
        """Set the clock to an ISO 8601 instant with an offset."""
        self.now = datetime.fromisoformat(text).astimezone(UTC)

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)
