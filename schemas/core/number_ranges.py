"""Numbers that are missing, as ascending ranges: one stray number of a database leaves millions out. Pure."""

from collections.abc import Iterable, Iterator, Sequence


def missing_ranges(numbers: Iterable[int]) -> Iterator[range]:
    """Yield what lies between 1 and the highest of some numbers and is not among them. numbers: ascending."""
    expected = 1
    for number in numbers:
        if number > expected:
            yield range(expected, number)
        expected = number + 1


def subtract_ranges(ranges: Iterable[range], others: Sequence[range]) -> Iterator[range]:
    """Yield what is in some ranges and in none of others; both ascending."""
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
    """Return each of some numbers as a range, ascending."""
    return [range(number, number + 1) for number in sorted(numbers)]


def format_ranges(ranges: Iterable[range]) -> str:
    """Return ranges as `17,401-403`."""
    return ",".join(str(each.start) if len(each) == 1 else f"{each.start}-{each.stop - 1}" for each in ranges)


def parse_ranges(text: str) -> list[range]:
    """Return what `format_ranges` wrote."""
    bounds = (each.partition("-") for each in text.split(",") if each)
    return [range(int(first), int(last or first) + 1) for first, _, last in bounds]
