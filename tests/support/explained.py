"""What every finding owes to people: what is the matter, values against what was expected, a picture, what to do."""

import re

from satomori_store.models import Finding

_JAPANESE = re.compile("[぀-ヿ㐀-鿿]")
# What these show has no band and no limit: the value that does not move, the time without values.
WITHOUT_EXPECTATION = frozenset({"stuck", "silent", "spike", "swapped"})


def assert_explained(finding: Finding) -> None:
    """In Japanese and in English, with figures; drawn with a band or a limit where its kind has such an expectation."""
    kind = finding.kind
    for ja, en in ((finding.text_ja, finding.text_en), (finding.advice_ja, finding.advice_en)):
        assert _JAPANESE.search(ja), (kind, ja)
        assert en.strip(), kind
        assert not _JAPANESE.search(en), (kind, en)
    assert re.search(r"\d", finding.text_ja), kind
    assert re.search(r"\d", finding.text_en), kind
    picture = finding.evidence["picture"]
    assert picture["channels"], kind
    banded = bool(picture["limits"])
    for channel in picture["channels"]:
        assert channel["ja"], kind
        assert channel["en"], kind
        if "value" in channel:
            values, sides = [channel["value"]], [[channel["low"]], [channel["high"]]]
        else:
            values, sides = channel["observed"], [channel[side] for side in ("low", "high") if side in channel]
            assert len(values) == len(channel["at_us"]), kind
        assert any(value is not None for value in values), kind
        banded |= any(end is not None for side in sides for end in side)
    assert banded or kind in WITHOUT_EXPECTATION, kind
