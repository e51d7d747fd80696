"""Sets of sequence numbers as sorted, disjoint, inclusive ranges [[first, last], …]. Pure."""

from collections.abc import Iterable, Sequence

Range = tuple[int, int]


def to_ranges(numbers: Iterable[int]) -> list[Range]:
    """Ranges in the order given: a run ends where the next number is not its successor."""
    ranges: list[Range] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def extend(ranges: list[Range], more: Iterable[Range]) -> None:
    """Append `more`, as few ranges as can be: most packs follow on the one before."""
    for first, last in more:
        if ranges and ranges[-1][1] + 1 == first:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))


def numbers(ranges: Iterable[Sequence[int]]) -> Iterable[int]:
    """All numbers of the ranges, in the order given."""
    for first, last in ranges:
        yield from range(first, last + 1)


def count(ranges: Iterable[Sequence[int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def merge(ranges: Iterable[Sequence[int]]) -> list[Range]:
    """Sorted and joined where they touch or overlap."""
    merged: list[Range] = []
    for first, last in sorted((int(r[0]), int(r[1])) for r in ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def intersect(ranges: Iterable[Sequence[int]], others: Iterable[Sequence[int]]) -> list[Range]:
    """What is in both; both in any order, the result sorted."""
    ranges = merge(ranges)
    return subtract(ranges, subtract(ranges, others))


def subtract(ranges: Iterable[Sequence[int]], taken: Iterable[Sequence[int]]) -> list[Range]:
    """What of `ranges` is not in `taken`; both in any order, the result sorted."""
    holes = merge(taken)
    left: list[Range] = []
    for first, last in merge(ranges):
        start = first
        for hole_first, hole_last in holes:
            if hole_last < start or hole_first > last:
                continue
            if hole_first > start:
                left.append((start, hole_first - 1))
            start = hole_last + 1
        if start <= last:
            left.append((start, last))
    return left
