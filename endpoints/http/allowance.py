"""A rate limit: a number of events per second, with a burst of the same size."""


class Allowance:
    """The remaining allowance.

    :param now: seconds of a monotonic clock.
    """

    __slots__ = ("_at", "_left", "_per_second")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one; return False if none was left."""
        self._left = min(self._left + (now - self._at) * self._per_second, self._per_second) - 1
        self._at = now
        return self._left >= 0
