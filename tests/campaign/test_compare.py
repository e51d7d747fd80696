"""The comparison itself: it sees a loss and a double, and takes no excuse that has no evidence."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from campaign.compare import Device, Edge, Evidence, Fate, Said, Span, compare

DEVICES = {"m": Device("edge", "bus"), "t": Device("edge"), "f": Device("edge", keeps=True)}


def evidence(
    said: Sequence[Said],
    stored: Mapping[str, Sequence[int]] | None = None,
    aside: Mapping[str, Sequence[int]] | None = None,
    told: int = 0,
    edge: Edge | None = None,
) -> Evidence:
    there, out = (
        {device: Counter((content or {}).get(device, [])) for device in DEVICES} for content in (stored, aside)
    )
    return Evidence(DEVICES, said, there, out, {"edge": told}, {"edge": edge or Edge()})


def say(device: str, *numbers: int, heard: bool = True) -> list[Said]:
    """Number n at second n."""
    return [Said(float(number), device, number, heard) for number in numbers]


def fates(found: Evidence) -> list[Fate]:
    return list(compare(found).fates)


def test_what_is_stored_or_set_aside_once_is_well() -> None:
    verdict = compare(evidence(say("m", 1, 2), {"m": [1]}, {"m": [2]}))
    assert list(verdict.fates) == [Fate.STORED, Fate.ASIDE]
    assert set(verdict.double.values()) == set(verdict.strange.values()) == set(verdict.untrue.values()) == {0}


@pytest.mark.parametrize("device", list(DEVICES))
def test_what_is_nowhere_is_lost(device: str) -> None:
    assert fates(evidence(say(device, 1, 2, 3), {device: [1, 3]})) == [Fate.STORED, Fate.LOST, Fate.STORED]
    assert fates(evidence(say(device, 1, heard=False))) == [Fate.LOST], "a line that no ended edge explains"


def test_copies_too_many_and_values_that_nobody_said_are_seen() -> None:
    """A copy in quarantine of what is stored is one too many as well."""
    verdict = compare(evidence(say("m", 1, 2), {"m": [1, 1, 2, 9]}, {"m": [2]}))
    assert verdict.double["m"] == 2
    assert verdict.strange["m"] == 1


def test_losses_told_excuse_as_many_and_no_more() -> None:
    verdict = compare(evidence(say("m", 1, 2, 3), {"m": [1]}, told=1))
    assert Counter(verdict.fates) == {Fate.STORED: 1, Fate.TOLD: 1, Fate.LOST: 1}
    assert compare(evidence(say("m", 1, 2), {"m": [1]}, told=3)).untrue["edge"] == 2


def test_a_killed_edge_excuses_the_last_answer_of_a_bus_and_what_nobody_took() -> None:
    """Killed at 4, back at 6."""
    edge = Edge(ended=[Span(4.0, 6.0)])
    assert fates(evidence(say("m", 1, 2, 3, 5, 7), edge=edge)) == [
        Fate.LOST, Fate.LOST, Fate.IN_FLIGHT, Fate.NOT_TAKEN, Fate.LOST,
    ]  # fmt: skip


def test_a_killed_edge_excuses_a_second_of_lines_and_those_without_a_listener() -> None:
    """Killed at 4, back at 6; the port is open again at 8, and its opening throws away what lay there."""
    edge = Edge(ended=[Span(4.0, 6.0)])
    said = [*say("t", 1, 2), Said(3.5, "t", 3, heard=True), *say("t", 5, 7, heard=False), *say("t", 8, 9)]
    assert fates(evidence(said, edge=edge)) == [
        Fate.LOST, Fate.LOST, Fate.IN_FLIGHT, Fate.NOT_TAKEN, Fate.NOT_TAKEN, Fate.NOT_TAKEN, Fate.LOST,
    ]  # fmt: skip


def test_a_full_disk_excuses_only_where_the_edge_was_ended_afterwards() -> None:
    full = [Span(2.5, 3.5)]
    assert fates(evidence(say("m", 1, 3), edge=Edge(full=full))) == [Fate.LOST, Fate.LOST]
    edge = Edge(full=full, ended=[Span(30.0, 31.0)])
    assert fates(evidence(say("m", 1, 3, 29), edge=edge)) == [Fate.LOST, Fate.IN_MEMORY, Fate.IN_FLIGHT]


def test_a_node_that_keeps_what_it_said_has_no_excuse_but_a_full_disk() -> None:
    edge = Edge(ended=[Span(4.0, 6.0)], full=[Span(1.5, 1.6)])
    assert fates(evidence(say("f", 1, 3, 5), edge=edge)) == [Fate.LOST, Fate.IN_MEMORY, Fate.LOST]
    edge = Edge(ended=[Span(4.0, 6.0)])
    assert fates(evidence(say("f", 1, 3, 5), edge=edge)) == [Fate.LOST, Fate.LOST, Fate.LOST]
