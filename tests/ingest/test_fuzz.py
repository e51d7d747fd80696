"""A short run of `make fuzz`: mutated messages of every format are values, quarantine, or say nothing, exactly."""

from pathlib import Path
from random import Random

from fuzz.fuzzing import BATCH_MESSAGES, fuzzer
from fuzz.mutations import mutate
from satomori_ingest.formats import make_decoders
from satomori_ingest.settings import load_ingest
from support.ingest_cases import case_names, decoders_of

MESSAGES = 20_000
SAMPLE = Path(__file__).parents[2] / "ingest" / "sample.toml"


def test_mutated_messages_are_values_or_counted_in_quarantine() -> None:
    """Each batch's counts are checked as it runs; and of every format some messages are read and some refused."""
    with fuzzer(seed=20_260_601) as fuzz:
        for batch in range(MESSAGES // BATCH_MESSAGES):
            fuzz.run(batch)
        for name, tally in fuzz.tallies().items():
            assert tally.with_values, name
            assert tally.refused, name


def test_a_batch_is_the_same_when_it_is_run_again() -> None:
    with fuzzer(seed=3) as fuzz:
        assert list(fuzz.messages(7)) == list(fuzz.messages(7))
        assert list(fuzz.messages(7)) != list(fuzz.messages(8))


def test_every_format_has_a_case() -> None:
    """What no case has is not fuzzed."""
    fuzzed = {type(decoder) for case in case_names() for decoder in decoders_of(case)}
    assert {type(decoder) for decoder in make_decoders(load_ingest(SAMPLE))} <= fuzzed


def test_a_mutation_changes_most_messages() -> None:
    chance = Random(1)
    payload = b'{"temperature": 21.5}'
    changed = sum(mutate(payload, [payload], chance) != payload for _ in range(1000))
    assert 700 < changed < 1000
