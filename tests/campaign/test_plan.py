"""The plan of a campaign is a pure function of its seed, and leaves nothing out."""

from itertools import pairwise

import pytest

from campaign.plan import REST_S, Stored, kinds, make_plan


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    one, same, other = (make_plan(seed, 30, list(Stored)) for seed in (7, 7, 8))
    assert one == same
    assert one != other
    assert sum(len(episode.faults) for episode in one) == 30


@pytest.mark.parametrize("stored", list(Stored))
def test_every_kind_comes_up_before_any_comes_up_twice(stored: Stored) -> None:
    """Also those that may strike only one part, which may be busy when their turn comes."""
    known = kinds(stored)
    [episode] = make_plan(3, 2 * len(known), [stored])
    names = [fault.kind for fault in episode.faults]
    assert set(names[: len(known)]) == {kind.name for kind in known}
    assert all(names.count(kind.name) == 2 for kind in known)


@pytest.mark.parametrize("seed", range(5))
def test_a_part_has_one_fault_at_a_time_and_rests_between_them(seed: int) -> None:
    """Faults of different parts overlap."""
    [episode] = make_plan(seed, 80, [Stored.INFLUX_POSTGRES])
    for who in {fault.who for fault in episode.faults}:
        mine = [fault for fault in episode.faults if fault.who == who]
        assert all(a.at_s + a.for_s + REST_S <= b.at_s + 0.02 for a, b in pairwise(mine))
    assert any(a.at_s + a.for_s > b.at_s for a, b in pairwise(episode.faults))
