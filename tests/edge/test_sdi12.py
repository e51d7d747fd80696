"""SDI-12 without a line: the standard's examples, retries, and answers that are damaged in every way."""

import random
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_edge.sources.sdi12 import (
    TRIES,
    Conversation,
    Identity,
    Pause,
    SilentError,
    crc,
    identify,
    measure,
)
from support.sdi12_sensors import Sensor, sealed

T = TypeVar("T")

# SDI-12 1.4, sections 4.4.12.3 and 4.4.8.1: answers with their CRC.
EXAMPLES = [
    "0+3.14OqZ",
    "0+3.14+2.718+1.414Ipz",
    "0+1.11+2.22+3.33+4.44+5.55+6.66I]q",
    "0+7.77+8.88+9.99IvW",
]


def converse(conversation: Conversation[T], sensor: Callable[[str], str | None]) -> tuple[T, list[str]]:
    """What came of it, and what was asked. As on a line, what is not the reply that is waited for is silence."""
    asked: list[str] = []
    match: re.Match[str] | None = None
    while True:
        try:
            step = conversation.send(match)
        except StopIteration as end:
            return end.value, asked
        if isinstance(step, Pause):
            asked.append(f"pause {step.wait_s}")
            match = None
        else:
            asked.append(step.command)
            answer = sensor(step.command)
            match = None if answer is None else step.reply.fullmatch(answer)


def talk(conversation: Conversation[T], answers: Sequence[str | None]) -> tuple[T, list[str]]:
    rest = iter(answers)
    return converse(conversation, lambda _: next(rest))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_crc_is_the_standards(example: str) -> None:
    """So is the simulated sensors', which computes it in another way."""
    assert example[:-3] + crc(example[:-3]) == example == sealed(example[:-3])


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_both_crcs_agree_on_any_text_and_are_printable(text: str) -> None:
    assert text + crc(text) == sealed(text)
    assert all(0x40 <= ord(c) <= 0x7F for c in crc(text))


def test_identify_names_the_sensor() -> None:
    found, asked = talk(identify("3"), ["314CAMPBLLCCS475 1.2SN 00123"])
    assert found == Identity("14", "CAMPBLLC", "CS475", "1.2", "SN 00123")
    assert asked == ["3I!"]
    assert talk(identify("3"), ["312OLD"])[0] == Identity("12", "OLD", "", "", "")


def test_measure_waits_for_the_service_request() -> None:
    found, asked = talk(measure("0", "M", checked=False), ["00053", "0", "0+1.5-2+.25"])
    assert found == [1.5, -2.0, 0.25]
    assert asked == ["0M!", "", "0D0!"]


def test_without_a_service_request_the_values_are_asked_for_all_the_same() -> None:
    assert talk(measure("0", "M", checked=False), ["00051", None, "0+1"])[0] == [1.0]


@pytest.mark.parametrize(
    ("answers", "asked"), [(["0", "0+1"], ["0D0!", ""]), ([None, "0", None, "0+1"], ["0D0!", "0D0!", "", "0D0!"])]
)
def test_a_service_request_that_is_late_is_no_empty_answer(answers: list[str | None], asked: list[str]) -> None:
    assert talk(measure("0", "M", checked=False), ["00011", None, *answers]) == ([1.0], ["0M!", "", *asked])


def test_what_is_ready_at_once_is_asked_for_at_once() -> None:
    assert talk(measure("0", "M3", checked=False), ["00001", "0+1"]) == ([1.0], ["0M3!", "0D0!"])


def test_a_concurrent_measurement_leaves_the_bus_to_the_others() -> None:
    found, asked = talk(measure("z", "C2", checked=True), ["z03010", *map(sealed, ["z+1+2+3+4+5+6", "z+7+8+9+10"])])
    assert found == [float(i) for i in range(1, 11)]
    assert asked == ["zCC2!", "pause 30", "zD0!", "zD1!"]


def test_the_standards_checked_answers_are_read() -> None:
    found, _ = talk(measure("0", "M", checked=True), ["00009", EXAMPLES[2], EXAMPLES[3]])
    assert found == [1.11, 2.22, 3.33, 4.44, 5.55, 6.66, 7.77, 8.88, 9.99]


@pytest.mark.parametrize("bad", [None, "0+3.24OqZ", "1+3.14OqZ", "0+3.14", "noise"])
def test_a_bad_answer_is_asked_for_again(bad: str | None) -> None:
    assert talk(measure("0", "M", checked=True), ["00001", bad, bad, EXAMPLES[0]]) == (
        [3.14], ["0MC!", "0D0!", "0D0!", "0D0!"],
    )  # fmt: skip


def test_three_times_and_no_more() -> None:
    with pytest.raises(SilentError):
        talk(measure("0", "M", checked=False), [None] * TRIES)
    with pytest.raises(SilentError):
        talk(identify("0"), [None] * TRIES)
    with pytest.raises(RejectedError, match="should end with 'OqZ'"):
        talk(measure("0", "M", checked=True), ["00001", *["0+3.14OqY"] * TRIES])


@pytest.mark.parametrize(
    ("command", "answers", "reason"),
    [
        ("M", ["00003", "0+1+2", "0"], "aborted"),
        ("M", ["00001", "0"], "aborted"),
        ("M", ["00011", "0", "0"], "aborted"),
        ("M", ["00011", None, "0", None, "0"], "aborted"),
        ("M", ["00000"], "count"),
        ("M", ["00002", "0+1+2+3"], "count"),
        ("C", ["000011", *["0+1"] * 10], "count"),
    ],
)
def test_what_is_no_measurement_is_refused(command: str, answers: list[str], reason: str) -> None:
    """An empty answer, none announced, more or fewer than announced."""
    with pytest.raises(RejectedError) as caught:
        talk(measure("0", command, checked=False), answers)
    assert caught.value.reason == reason


@given(st.sampled_from(EXAMPLES), st.data())
def test_no_truncation_and_no_wrong_bit_passes_for_a_checked_answer(example: str, draw: st.DataObject) -> None:
    count = example.count("+")
    size = draw.draw(st.integers(0, len(example) - 1))
    place, bit = draw.draw(st.integers(0, len(example) - 1)), draw.draw(st.integers(0, 6))
    flipped = example[:place] + chr(ord(example[place]) ^ 1 << bit) + example[place + 1 :]
    for wrong in (example[:size], flipped):
        with pytest.raises((SilentError, RejectedError)):
            talk(measure("0", "M", checked=True), [f"0000{count}", *[wrong] * TRIES])


@given(st.lists(st.one_of(st.none(), st.text(max_size=90), st.from_regex(r"0[0-9+.@-]{0,40}", fullmatch=True))))
def test_whatever_comes_a_conversation_ends_within_bounds(answers: list[str | None]) -> None:
    """In numbers, SilentError or RejectedError, and after no more than its tries of each command."""
    endless = [*answers, *[None] * 100]
    try:
        found, asked = talk(measure("0", "C", checked=False), endless)
    except (SilentError, RejectedError):
        return
    assert found
    assert len(asked) <= 12 * TRIES


@given(
    st.lists(st.decimals(-9999, 9999, places=2).map(lambda d: f"{d:+}"), min_size=1, max_size=9),
    st.booleans(),
)
def test_what_a_sensor_says_is_what_is_read(values: list[str], checked: bool) -> None:
    """The simulated sensor and ours, over any values and any split into parts."""
    sensor = Sensor("5", {"M": ["".join(values[:4]), "".join(values[4:])]})
    found, _ = converse(measure("5", "M", checked=checked), sensor.answer)
    assert found == [float(value) for value in values]


@given(st.integers(0, 2**32), st.floats(0.0, 0.6))
def test_on_a_bad_line_a_checked_value_is_right_or_there_is_none(seed: int, badness: float) -> None:
    """Answers vanish, are cut, or have wrong bits; of 9 values in three parts no wrong one is ever read."""
    dice = random.Random(seed)
    sensor = Sensor("0", {"M": ["+1.11+2.22+3.33", "-4.44+5.55", "+6.66-7.77+8.88+9.99"]})

    def over_the_line(command: str) -> str | None:
        if not command:
            return None  # the service request, which a damaged start made us wait for
        answer = sensor.answer(command)
        if dice.random() >= badness:
            return answer
        place = dice.randrange(len(answer))
        flipped = answer[:place] + chr(ord(answer[place]) ^ 1 << dice.randrange(7)) + answer[place + 1 :]
        return dice.choice([None, answer[:place], flipped])

    try:
        found, _ = converse(measure("0", "M", checked=True), over_the_line)
    except (SilentError, RejectedError):
        return
    assert found == [1.11, 2.22, 3.33, -4.44, 5.55, 6.66, -7.77, 8.88, 9.99][: len(found)]
