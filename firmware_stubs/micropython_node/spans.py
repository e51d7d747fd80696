"""Sets of sequence numbers as ranges (first, last), both included. Pure."""


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending, disjoint, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def without(spans: list[tuple[int, int]], gone: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of `spans` is not in `gone`."""
    left = spans
    for low, high in gone:
        rest: list[tuple[int, int]] = []
        for first, last in left:
            if high < first or last < low:
                rest.append((first, last))
                continue
            if first < low:
                rest.append((first, low - 1))
            if high < last:
                rest.append((high + 1, last))
        left = rest
    return left
