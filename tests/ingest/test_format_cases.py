"""Third parties' formats on the cases of tests/cases/ingest: what each message says, and that nothing of it crashes."""

import random
import tomllib

import pytest

from satomori_core.errors import RejectedError
from satomori_ingest.decoders import Decoder, Values
from support.ingest_cases import CASES, RECEIVED_US, CaseMessage, case_names, decoders_of, find, messages_of

MESSAGES = [message for case in case_names() for message in messages_of(case)]


def decoder_of(message: CaseMessage) -> Decoder:
    return find(decoders_of(message.case), message.topic)


def decode(decoder: Decoder, message: CaseMessage, payload: bytes) -> str | None:
    """The reason why it was refused; what was decoded must fit together."""
    try:
        decoded = decoder.decode(message.topic, payload, RECEIVED_US)
    except RejectedError as error:
        return error.reason
    positions = range(len(decoded.values)) if decoded.positions is None else decoded.positions
    assert len(positions) == len(decoded.values)
    assert sorted([*positions, *(f.position for f in decoded.faults)]) == list(
        range(len(positions) + len(decoded.faults))
    )
    for name, at_us, number, unit in Values.of(decoded.values):
        assert isinstance(name, str)
        assert isinstance(number, float | int)
        assert -(2**63) <= at_us < 2**63
        assert unit is None or isinstance(unit, str)
    return None


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_a_case_says_what_is_expected(message: CaseMessage) -> None:
    decoder = decoder_of(message)
    if message.rejected is not None:
        with pytest.raises(RejectedError) as raised:
            decoder.decode(message.topic, message.payload, RECEIVED_US)
        assert raised.value.reason == message.rejected
        return
    decoded = decoder.decode(message.topic, message.payload, RECEIVED_US)
    assert list(Values.of(decoded.values)) == list(message.values)
    assert [(fault.reason, fault.name) for fault in decoded.faults] == list(message.faults)
    assert decoded.gateway == message.gateway == decoder.gateway(message.topic)


@pytest.mark.parametrize("case", case_names())
def test_a_case_says_where_its_shapes_come_from(case: str) -> None:
    assert tomllib.loads((CASES / case / "case.toml").read_text(encoding="utf-8"))["source"]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_a_fault_alone_says_the_same_when_it_comes_again(message: CaseMessage) -> None:
    """The quarantine keeps a message of that record alone: replayed, it is refused for the same reason, and no more."""
    decoder = decoder_of(message)
    if message.rejected is not None:
        return
    for fault in decoder.decode(message.topic, message.payload, RECEIVED_US).faults:
        if fault.payload == message.payload or fault.reason == "name":
            continue
        again = decoder.decode(message.topic, fault.payload, RECEIVED_US)
        assert [(f.reason, f.name) for f in again.faults] == [(fault.reason, fault.name)]
        assert not again.values


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_every_truncation_is_values_or_refused(message: CaseMessage) -> None:
    decoder = decoder_of(message)
    for length in range(len(message.payload)):
        decode(decoder, message, message.payload[:length])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_every_byte_replaced_is_values_or_refused(message: CaseMessage) -> None:
    """Each byte once, by one that was drawn with a fixed seed."""
    decoder, chance = decoder_of(message), random.Random(7)
    for at in range(len(message.payload)):
        changed = message.payload[:at] + bytes([chance.randrange(256)]) + message.payload[at + 1 :]
        decode(decoder, message, changed)
