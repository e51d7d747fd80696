"""A structure's condition drawn: its days, the trend through them, and on to the next limit as it is reckoned."""

import re
from typing import Any

import numpy as np
import pytest

from satomori_analytics.condition.measured import Days, Measured, measure
from satomori_analytics.condition.reach import reaches
from satomori_analytics.playbook import Playbook
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.trend_picture import trend
from satomori_api.picture import drawings, stacked
from satomori_core.clock import DAY_US


@pytest.fixture(scope="module")
def bridge() -> Playbook:
    found = load_playbooks(None).of("bridge", "ueno")
    assert found is not None
    return found


def crack(rate_a_year: float, days: int = 400, noise: float = 0.002) -> Measured:
    """A crack that opens from .2 mm on."""
    rng = np.random.default_rng(5)
    wide = 0.2 + rate_a_year / 365.25 * np.arange(days) + rng.normal(0, noise, days)
    (found,) = measure("bridge", Days(0, {"crack_width": wide}, {}))
    return found


def drawn(found: Measured, playbook: Playbook | None, attributes: dict[str, Any] | None = None) -> dict[str, Any]:
    return trend(found, playbook, reaches(found, playbook, attributes or {}), attributes or {})


def test_it_goes_on_to_where_it_meets_the_limit(bridge: Playbook) -> None:
    """The line ends at the limit on the day that the condition tells; the interval's ends are on both sides of it."""
    found = crack(0.05)
    (reach,) = reaches(found, bridge, {})
    picture = drawn(found, bridge)
    shown = picture["channels"][0]
    assert picture["limits"] == [0.3]
    assert shown["middle"][-1] == pytest.approx(0.3, abs=1e-4)
    assert shown["at_us"][-1] - found.at_us[-1] == pytest.approx(reach.years * 365.25 * DAY_US)
    assert shown["low"][-1] < 0.3 < shown["high"][-1]
    # The upper end of the band meets the limit on the first day of the interval that the condition tells.
    years = (np.array(shown["at_us"]) - found.at_us[-1]) / (365.25 * DAY_US)
    ahead = np.array([high is not None for high in shown["high"]])
    high = np.array(shown["high"])[ahead].astype(float)
    assert np.interp(0.3, high, years[ahead]) == pytest.approx(reach.low, rel=0.01)
    # Through the past it is the fitted line, without a band.
    assert shown["middle"][0] == pytest.approx(0.2, abs=0.002)
    assert shown["low"][: len(found.at_us)] == [None] * len(found.at_us)


def test_a_limit_too_far_ahead_is_told_but_not_drawn_to(bridge: Playbook) -> None:
    found = crack(0.005, noise=0.0002)
    picture = drawn(found, bridge)
    seen, end = found.at_us[-1] - found.at_us[0], picture["channels"][0]["at_us"][-1]
    assert end - found.at_us[-1] == pytest.approx(seen / 4)
    assert "0.3 mm" in picture["channels"][0]["words"]["en"][2]


@pytest.mark.parametrize(
    ("language", "word", "year"), [("ja", "注意 0.3 mm", "1971年"), ("en", "watch 0.3 mm", "1971")]
)
def test_it_is_drawn_with_its_words(bridge: Playbook, language: Any, word: str, year: str) -> None:
    picture = drawn(crack(0.08), bridge)
    ((sentence, svg),) = drawings(language, {"picture": picture}, "Asia/Tokyo", 500 * DAY_US)
    assert re.findall(r'class="(\w+)', svg) == ["band", "limit", "now", "observed", "middle", "word"]
    texts = re.findall(">([^<>]+)</text>", svg)
    assert texts[0] == word
    assert year in texts[2] or "1970" in texts[1]
    assert sentence.count("mm") >= 3
    whole = stacked(language, [picture, picture], "橋", "Asia/Tokyo", 500 * DAY_US)
    assert whole is not None
    assert whole.count('class="middle"') == 2
    # All words lie on the paper.
    high = float(re.findall(r'viewBox="0 0 320 (\d+)"', whole)[0])
    assert max(float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)"', whole)) < high / 2


def test_an_assets_own_limit_stands_before_the_playbooks(bridge: Playbook) -> None:
    rng = np.random.default_rng(6)
    (found,) = measure("bridge", Days(0, {"tilt": 0.1 + rng.normal(0, 0.01, 60)}, {}))
    assert drawn(found, bridge)["limits"] == []
    assert drawn(found, bridge, {"tilt_danger_deg": "0.5"})["limits"] == [0.5]
    assert drawn(found, None)["limits"] == []


def test_few_days_are_a_line_without_a_trend(bridge: Playbook) -> None:
    picture = drawn(crack(0.05, days=5), bridge)
    ((_, svg),) = drawings("ja", {"picture": picture}, "Asia/Tokyo", 0)
    assert "middle" not in svg
    assert "observed" in svg


def test_the_frequency_has_no_limit_of_another_quantity(bridge: Playbook) -> None:
    """A shift in % is drawn against no limit in Hz."""
    rng = np.random.default_rng(7)
    warm = 10 + 10 * np.sin(np.arange(120) / 20)
    columns = {"natural_frequency": 4 - 0.01 * warm + rng.normal(0, 0.002, 120), "structure_temperature": warm}
    (found,) = measure("bridge", Days(0, columns, {}))
    assert drawn(found, bridge)["limits"] == []
