"""The MicroPython node's buffer on a real littlefs, with power cuts, wear and damage."""

import pytest

from support.micropython import run_script

HEAP_BYTES = 8_000_000  # the flash itself lies in it, anew after each cut


@pytest.mark.parametrize("seed", range(4))
def test_a_power_cut_loses_nothing_that_has_a_number(seed: int) -> None:
    """Forty cuts anywhere in writing: each number is kept, acknowledged or told as lost, and none is used twice."""
    told = run_script("flash.py", "lives", str(seed), heap_bytes=HEAP_BYTES)
    assert told["wrong"] == []
    assert told["numbers"] > 500


def test_a_write_is_an_erasure() -> None:
    """README's figure: flash wears by about one erased block a write, and acknowledged segments are deleted."""
    told = run_script("flash.py", "wear", heap_bytes=HEAP_BYTES)
    assert told["erased"] / 200 == pytest.approx(1, abs=0.15)
    assert told["files"] == 1


def test_a_full_flash_is_a_smaller_ring() -> None:
    """Dropped from the oldest on and told as lost; all that is newer is whole."""
    told = run_script("flash.py", "full", heap_bytes=HEAP_BYTES)
    [[first, last, reason]] = told["lost"]
    assert (first, reason) == (1, "dropped")
    assert told["kept"] == [last + 1, 2400, 2400 - last]
    assert 100 < last < 1500


def test_damage_is_told_as_lost() -> None:
    """A record with a flipped bit and one that was torn off: lost, their numbers not used again; the rest is whole."""
    told = run_script("flash.py", "damage", heap_bytes=HEAP_BYTES)
    assert told["lost"] == [[5, 5, "outbox_damaged"], [25, 25, "outbox_damaged"]]
    assert told["next"] == 26
    assert told["kept"] == [number for number in range(1, 25) if number != 5]
