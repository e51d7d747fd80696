"""A finding's picture: made where it is judged, bounded, and drawn for the reader with its expectation in words."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from satomori_analytics.episodes import Stretch
from satomori_analytics.peers.comparing import Difference
from satomori_analytics.peers.region import Comparison
from satomori_analytics.pictures import ahead, channel, lasting, picture, scale, until
from satomori_analytics.views import Quantity
from satomori_api.picture import drawings, small, told, whole
from satomori_dashboards.console.asset import peers_of

FLOW = Quantity("flow", "m3/h", "流量", "Flow")
MINUTE_US = 60_000_000


def evidence(rows: int, *, band: bool = True) -> dict[str, Any]:
    """Fifty rows from the end on something is wrong; the worst value is 9."""
    at_us = np.arange(rows) * MINUTE_US
    values = np.sin(np.arange(rows) / 9)
    values[-20] = 9.0
    stretch = Stretch(rows - 50, rows - 1, ended=False)
    sides = (np.full(rows, -1.5), np.full(rows, 1.5)) if band else None
    return {"picture": picture(at_us, stretch, [channel(FLOW, at_us, values, stretch, sides)], [8.0, 500.0])}


def test_it_is_small_and_keeps_what_is_odd() -> None:
    shown = evidence(5000)["picture"]["channels"][0]
    assert {len(shown[key]) for key in ("at_us", "observed", "low", "high")} == {60}
    assert max(shown["observed"]) == 9.0
    assert shown["at_us"] == sorted(shown["at_us"])


@pytest.mark.parametrize("language", ["ja", "en"])
def test_it_is_drawn_with_words(language: Any) -> None:
    ((sentence, svg),) = drawings(language, evidence(200), "Asia/Tokyo", 200 * MINUTE_US)
    parts = re.findall(r'class="(\w+)"', svg)
    # The limit that is far beyond the values is left out: it would flatten the rest.
    assert parts == ["found", "band", "limit", "observed", "word"]
    # Its value stands at the limit, and beneath when the course begins and ends.
    assert re.findall(">([^<>]+)</text>", svg)[0] == "8 m³/h"
    assert len(re.findall("<text", svg)) == 3
    assert ("平常なら −1.5〜1.5" if language == "ja" else "normally −1.5") in sentence.replace(" m³/h", "")
    assert f'aria-label="{"流量" if language == "ja" else "Flow"}"' in svg


def test_without_an_expectation_the_line_stands_alone() -> None:
    ((sentence, svg),) = drawings("en", evidence(200, band=False), "Asia/Tokyo", 200 * MINUTE_US)
    assert re.findall(r'class="(\w+)"', svg) == ["found", "limit", "observed", "word"]
    assert "normally" not in sentence


def test_gaps_and_findings_without_a_picture_are_no_trouble() -> None:
    at_us, values = np.arange(100) * MINUTE_US, np.full(100, np.nan)
    stretch = Stretch(60, 99, ended=False)
    empty = {"picture": picture(at_us, stretch, [channel(FLOW, at_us, values, stretch)], [1.0])}
    assert drawings("ja", empty, "Asia/Tokyo", 0) == drawings("ja", {"limit": 3}, "Asia/Tokyo", 0) == []


def two() -> dict[str, Any]:
    """A finding of two channels, with a name that a drawing may not take for its own marks."""
    found = evidence(200)["picture"]
    odd = found["channels"][0] | {"ja": "<水位>", "en": "<Level>"}
    return {"picture": found | {"channels": [found["channels"][0], odd]}}


def test_as_a_file_it_stands_alone_and_says_what_against_what() -> None:
    """Well-formed XML with its own colours; on a card one drawing without words, told by the text beside it."""
    card, large = small("ja", two(), 200 * MINUTE_US), whole("en", two(), "a & b", "Asia/Tokyo", 200 * MINUTE_US)
    assert card is not None
    assert large is not None
    name = "{http://www.w3.org/2000/svg}"
    drawn = [ET.fromstring(one) for one in (card, large)]  # noqa: S314 - our own
    counts = [[len(list(one.iter(name + each))) for each in ("polygon", "polyline", "text")] for one in drawn]
    assert counts == [[1, 1, 0], [2, 2, 10]]
    assert {float(text.get("y", "nan")) > 0 for text in drawn[1].iter(name + "text")} == {True}
    assert all(one.find(name + "style") is not None for one in drawn)
    assert drawn[1].get("aria-label") == "a & b"
    assert "<Level> " in " ".join(text.text or "" for text in drawn[1].iter(name + "text"))
    assert (
        told("ja", two(), "Asia/Tokyo", 200 * MINUTE_US) == drawings("ja", two(), "Asia/Tokyo", 200 * MINUTE_US)[0][0]
    )
    for nothing in ({}, {"limit": 3}):
        assert small("ja", nothing, 0) is whole("ja", nothing, "", "Asia/Tokyo", 0) is None
        assert told("ja", nothing, "Asia/Tokyo", 0) == ""


@pytest.mark.parametrize(("language", "words"), [("ja", "見通し 2 m³/h"), ("en", "foreseen 2 m³/h")])
def test_a_trend_is_drawn_on_to_where_it_leads(language: Any, words: str) -> None:
    """The line ends with the last value; from there the trend goes to the end. Silence has a gap and no trend."""
    at_us = np.arange(10) * MINUTE_US
    values, last = np.linspace(9.0, 5.0, 10), Stretch(9, 9, ended=False)
    seen = channel(FLOW, at_us, values, last)
    for band, bands in (((2.0, 2.0), 1), (None, 0)):
        shown = {"picture": picture(at_us, last, [ahead(seen, 20 * MINUTE_US, band)], [2.0])}
        ((sentence, svg),) = drawings(language, shown, "Asia/Tokyo", 0)
        x_last = [float(point.split(",")[0]) for point in re.findall('points="([^"]+)"', svg)[-1].split()][-1]
        assert 6 + 308 * 9 / 20 == pytest.approx(x_last, abs=0.1)
        assert svg.count('class="band"') == bands
        assert sentence.endswith(words) == bool(bands)
        assert " 5 m³/h" in sentence


def test_silence_grows_until_now_and_stays_as_it_ended() -> None:
    """The same kept picture: its last value moves to the left while nothing comes, and no more once it has ended."""
    at_us, last = np.arange(10) * MINUTE_US, Stretch(9, 9, ended=False)
    seen = ahead(channel(FLOW, at_us, np.ones(10), last), 20 * MINUTE_US)
    kept = lasting(picture(at_us, last, [seen], []) | {"until_us": 20 * MINUTE_US})
    over = until(kept, 30 * MINUTE_US)

    def ends(drawn: dict[str, Any], now_minutes: int) -> tuple[float, float]:
        svg = small("ja", {"picture": drawn}, now_minutes * MINUTE_US)
        assert svg is not None
        left, wide = re.findall(r'class="found" x="([0-9.]+)".* width="([0-9.]+)"', svg)[0]
        assert float(left) + float(wide) == pytest.approx(314, abs=0.2)  # to the edge
        return float(re.findall(r'([0-9.]+),[0-9.]+"/>', svg)[-1]), float(left)

    for minutes, drawn in ((20, kept), (90, kept), (30, over), (90, over)):
        whole_minutes = 30 if drawn is over else minutes
        assert ends(drawn, minutes) == pytest.approx([6 + 308 * 9 / whole_minutes] * 2, abs=0.1)


def test_a_forecast_is_drawn_against_its_limit() -> None:
    line = scale(("最低気温", "minimum", "Cel"), 1.0, (-1.0, 3.0), ("10のうち8は", "8 in 10 within"), [0.0])
    shown = {"picture": {"from_us": 0, "until_us": 1, "channels": [line], "limits": [0.0]}}
    ((sentence, svg),) = drawings("en", shown, "Asia/Tokyo", 0)
    assert sentence == "minimum 1 °C, 8 in 10 within −1 °C to 3 °C"
    assert re.findall(r'class="(\w+)"', svg) == ["axis", "band", "limit", "own"]
    assert 6 + 308 / 4 == float(re.findall(r'class="limit" x1="([0-9.]+)"', svg)[0])


def compared(value: float | None) -> Comparison:
    """A bridge's frequency among five of three owners, whose band is -1 to 3 %; or not comparable."""
    found = None if value is None else Difference(value, 0.01, -0.01, 0.03, 0.2, 5)
    return Comparison("b", "natural_frequency", "change", "log", 5, 3, ("material",), 90, 60, found)


@pytest.mark.parametrize(("value", "look"), [(0.02, "own"), (-0.2, "own off")])
def test_an_asset_is_drawn_among_its_like(value: float, look: str) -> None:
    """The dot stands within the others' band or beside it, on the side and in the look that say so."""
    ((ja, svg),), ((en, _),) = (peers_of(language, [compared(value), compared(None)]) for language in ("ja", "en"))
    dot = re.search(r'class="(own[ a-z]*)" cx="([0-9.]+)"', svg)
    band = re.search(r'class="band" x="([0-9.]+)" y="2" width="([0-9.]+)"', svg)
    assert dot
    assert band
    left, wide, at = float(band[1]), float(band[2]), float(dot[2])
    assert dot[1] == look
    assert (left <= at <= left + wide) == (look == "own")
    assert "5資産・3団体" in ja
    assert "of 3 owners" in en


def test_what_has_no_like_is_not_drawn() -> None:
    assert peers_of("ja", [compared(None)]) == ()
