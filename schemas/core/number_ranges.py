"""Missing numbers as ascending ranges, since a single high number in a database may leave out millions. Pure."""

from collections.abc import Iterable, Iterator, Sequence


def missing_ranges(numbers: Iterable[int]) -> Iterator[range]:
    """Yield the ranges that are missing between 1 and the highest of some numbers.

    :param numbers: ascending.
    """
    expected = 1
    for number in numbers:
        if number > expected:
            yield range(expected, number)
        expected = number + 1


def subtract_ranges(ranges: Iterable[range], others: Sequence[range]) -> Iterator[range]:
    """Yield the parts of ranges that are in none of the others; both ascending."""
    first = 0
    for each in ranges:
        start = each.start
        while first < len(others) and others[first].stop <= start:
            first += 1
        place = first
        while place < len(others) and others[place].start < each.stop:
            if others[place].start > start:
                yield range(start, others[place].start)
            start = max(start, others[place].stop)
            place += 1
        if start < each.stop:
            yield range(start, each.stop)


def single_ranges(numbers: Iterable[int]) -> list[range]:
    """Return each number as a range, ascending."""
    return [range(number, number + 1) for number in sorted(numbers)]


def format_ranges(ranges: Iterable[range]) -> str:
    """Return ranges as text, such as `17,401-403`."""
    return ",".join(str(each.start) if len(each) == 1 else f"{each.start}-{each.stop - 1}" for each in ranges)


def parse_ranges(text: str) -> list[range]:
    """Return the ranges of a text that `format_ranges` wrote."""
    bounds = (each.partition("-") for each in text.split(",") if each)
    return [range(int(first), int(last or first) + 1) for first, _, last in bounds]
