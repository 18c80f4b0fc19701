"""How often something may be done: so many times a second, and as many at once."""


class Allowance:
    """What is left of it, at an instant.

    :param per_second: how many.
    :param now: seconds, of a clock that never goes back.
    """

    __slots__ = ("_at", "_left", "_per_second")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one. False where none was left."""
        self._left = min(self._left + (now - self._at) * self._per_second, self._per_second) - 1
        self._at = now
        return self._left >= 0
