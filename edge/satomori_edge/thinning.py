"""What can go when not all can stay: of each datastream and interval the minimum, maximum and last stay. Pure.

Intervals begin at multiples of their width, and widths are powers of two seconds: so a wider interval is made of
narrower ones, and what was thinned before and is thinned again still has the minimum, maximum and last of the wider.
"""

from collections.abc import Sequence

from satomori_core.clock import SECOND_US

WIDTH_MIN_US = SECOND_US
WIDTH_MAX_US = SECOND_US << 17  # a day and a half

Row = tuple[int, int, int, float]  # number, datastream, observed_at_us, value


def surplus(rows: Sequence[Row], width_us: int) -> list[int]:
    """The numbers of those that are neither the minimum nor the maximum nor the last of their interval, in order."""
    kept: dict[tuple[int, int], tuple[Row, Row, Row]] = {}
    for row in rows:
        key = row[1], row[2] // width_us
        least, most, last = kept.get(key, (row, row, row))
        kept[key] = (
            row if row[3] < least[3] else least,
            row if row[3] > most[3] else most,
            row if row[2] > last[2] else last,
        )
    stay = {row[0] for three in kept.values() for row in three}
    return [row[0] for row in rows if row[0] not in stay]


def thin(rows: Sequence[Row], wanted: int, width_us: int = WIDTH_MIN_US) -> tuple[list[int], int]:
    """What can go and the width for it: the first from `width_us` on, doubled and doubled, where `wanted` can go."""
    while True:
        gone = surplus(rows, width_us)
        if len(gone) >= wanted or width_us >= WIDTH_MAX_US:
            return gone, width_us
        width_us *= 2
