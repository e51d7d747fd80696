"""Commands and replies on the wire: exact there and back, and whatever else comes is rejected, never a crash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.commands import (
    COMMAND_BYTES_MAX,
    REASON_LETTERS_MAX,
    TIME_S_MAX,
    WHOLE_MAX,
    Action,
    Command,
    Ended,
    Outcome,
    Reason,
    Reply,
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
    id_of,
    reason_of,
)  # fmt: skip
from satomori_core.errors import RejectedError

COMMAND = Command("c-1", 1_700_000_000_000_001, 1_700_000_060_000_000, Action.SET, {"actuator": "gate", "value": 1.0})

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
times = st.integers(0, TIME_S_MAX * 1_000_000)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=REASON_LETTERS_MAX)
numbers = st.integers(-WHOLE_MAX, WHOLE_MAX) | st.floats(allow_nan=False, allow_infinity=False)
commands = st.builds(
    Command, names, times, times, st.sampled_from(Action), st.dictionaries(texts, texts | numbers, max_size=4)
)
replies = st.builds(
    Reply, names, times, st.sampled_from(Outcome), texts, st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | times, st.none(), st.just(""), st.booleans(),
)  # fmt: skip


def rejected(payload: bytes) -> None:
    with pytest.raises(RejectedError):
        decode_command(payload)


@given(commands)
def test_a_command_comes_back_as_it_went(command: Command) -> None:
    """Also its times, to the µs, unless it is longer than a command may be."""
    payload = encode_command(command)
    if len(payload) <= COMMAND_BYTES_MAX:
        assert decode_command(payload) == command
        assert id_of(payload) == command.id


@given(replies, times, st.sampled_from(Ended))
def test_a_reply_comes_back_as_it_went(reply: Reply, ended_us: int, why: Ended) -> None:
    ended = Reply(reply.id, reply.at_us, reply.outcome, ended_us=ended_us, ended_why=why)
    assert decode_reply(encode_reply(ended)) == ended
    assert decode_reply(encode_reply(reply)) == reply


@given(st.integers(0, 200), st.binary(max_size=4), st.integers(0, 8))
def test_mutated_bytes_are_a_command_or_rejected(place: int, put: bytes, cut: int) -> None:
    """What still decodes can be encoded again: nothing comes in that can't go out."""
    payload = encode_command(COMMAND)
    mutated = payload[:place] + put + payload[place + cut :]
    try:
        command = decode_command(mutated)
    except RejectedError:
        return
    assert decode_command(encode_command(command)) == command


@given(st.binary(max_size=300))
def test_any_bytes_are_rejected_or_a_reply(payload: bytes) -> None:
    try:
        reply = decode_reply(payload)
    except RejectedError:
        return
    assert decode_reply(encode_reply(reply)) == reply


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(encode_command(COMMAND)) | changes).encode()


@pytest.mark.parametrize(
    "payload",
    [
        changed(args={"value": "\ud800"}),
        changed(args={"\udfff": 1}),
        changed(args={"value": 10**400}),
        changed(args={"value": WHOLE_MAX + 1}),
        changed(args={"value": float("inf")}),
        changed(args={"value": True}),
        changed(args=[]),
        changed(issued_at=TIME_S_MAX + 1),
        changed(issued_at=-1),
        changed(expires_at=10**400),
        changed(action="explode"),
        changed(action=["set"]),
        changed(id="a/b"),
        encode_command(COMMAND).replace(b"gate", b"\xed\xa0\x80"),  # a surrogate as bytes
        b"[" * COMMAND_BYTES_MAX,
        b'{"id": "a", "x": "' + b"x" * COMMAND_BYTES_MAX + b'"}',
        b"\x1f\x8b",
    ],
)
def test_what_is_no_command_is_rejected(payload: bytes) -> None:
    rejected(payload)


def test_the_id_of_what_is_no_command_is_found() -> None:
    """So that its sender is told instead of waiting."""
    assert id_of(changed(action="explode")) == "c-1"
    assert id_of(b"{}") is None
    assert id_of(b"noise") is None


def test_a_reason_is_a_word_and_its_particulars() -> None:
    text = Reason.VALUE.text("7 is not one of 0, 1")
    assert reason_of(text) is Reason.VALUE
    assert reason_of("weather: it rains") is None
    assert len(Reason.VALUE.text("x" * 1000)) == REASON_LETTERS_MAX
