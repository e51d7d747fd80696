"""How judgements add up: by their order, whatever was undone in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_store.feedback import STEPS_MOST, steps_of

WORDS = st.lists(st.sampled_from(["true", "false", "known"]), max_size=20)


@pytest.mark.parametrize(
    ("verdicts", "steps"),
    [
        ([], 0),
        (["false"], 1),
        (["false"] * 5, 3),
        (["false"] * 5 + ["true"], 2),
        (["true", "false"], 1),
        (["false", "known", "true"], 0),
        (["true"] * 3, 0),
    ],
)
def test_false_lowers_and_true_takes_one_back(verdicts: list[str], steps: int) -> None:
    assert steps_of(verdicts) == steps


@given(WORDS, st.sampled_from(["true", "false"]))
def test_one_word_moves_one_step_at_most_and_stays_within_bounds(verdicts: list[str], last: str) -> None:
    before, after = steps_of(verdicts), steps_of([*verdicts, last])
    assert 0 <= after <= STEPS_MOST
    assert after - before in ({0, 1} if last == "false" else {-1, 0})
