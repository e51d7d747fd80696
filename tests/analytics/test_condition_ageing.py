"""How ratings may worsen: rates by class with their sources, a municipality's own, and what it has inspected."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from satomori_analytics.cli import playbook
from satomori_analytics.condition.ageing import Fitted, expect, fit
from satomori_analytics.condition.cli import condition
from satomori_analytics.condition.rates import Rates, load_rates
from satomori_analytics.condition.records import Pair, pairs_of, records_of
from satomori_analytics.condition.region import conditions, load_structures
from satomori_analytics.condition.telling import ageing_text, unread_text
from satomori_analytics.indicators.structures import hazard_transition
from satomori_core.errors import SettingsError
from support.analytics_region import NOON_US, Region

BOOK = load_rates()
TEXTBOOK = BOOK.general.general
HEALTH = ("I", "II", "III", "IV")
OWN = """
leaving = [0.2, 0.1, 0.05]
source = "own inspections 2014 to 2024"
ja = "町の点検による率"
en = "the town's rates"
"""


def test_the_textbooks_rates_give_the_worked_example() -> None:
    """θ .1 .05 .02 over 5 years: .6065 .3445 .0472 .0017, so III or worse is .0489; the band holds it."""
    first, *later = expect(0, None, fit(TEXTBOOK))
    assert first.chance == pytest.approx(0.0472 + 0.0017, abs=1e-4)
    assert [each.years for each in (first, *later)] == [5, 10, 20]
    assert all(each.low < each.chance < each.high for each in (first, *later))
    assert first.chance < later[0].chance < later[1].chance


@pytest.mark.parametrize(("state", "start", "reached"), [(0, "I", "III"), (1, "II", "III"), (2, "III", "IV")])
def test_a_rating_is_followed_until_it_calls_for_action(state: int, start: str, reached: str) -> None:
    assert {(each.start, each.reached) for each in expect(state, None, fit(TEXTBOOK))} == {(start, reached)}


def test_what_is_worst_or_unknown_has_no_expectation() -> None:
    fitted = fit(TEXTBOOK)
    assert expect(3, 50, fitted) == [] == expect(None, None, fitted)
    (first, *_) = expect(None, 40, fitted)
    assert first.basis == "age"
    assert first.chance > expect(None, 5, fitted)[0].chance


def leaving(class_: str) -> tuple[float, ...]:
    return BOOK.of("", class_, {})[1].leaving


def test_the_packages_rates_reproduce_what_their_sources_publish() -> None:
    """At III in 5 years 3 % of bridges (41 in I to 49 in II), 9 % in snow (31 to 57), 22 % of tunnels (in II).

    Half of sewers are at 緊急度 II after 47 years.
    """
    snow = BOOK.of("", "bridge", {"environment": "積雪"})[1].leaving
    for rates, share, mix in ((leaving("bridge"), 0.03, (41, 49)), (snow, 0.09, (31, 57))):
        worse = hazard_transition(rates, 5)[:2, 2:].sum(axis=1)
        assert round(float(np.average(worse, weights=mix)), 3) == share
    assert round(float(hazard_transition(leaving("tunnel"), 5)[1, 2:].sum()), 2) == 0.22
    assert round(float(hazard_transition(leaving("sewer_span"), 47)[0, 2:].sum()), 2) == 0.5
    assert BOOK.of("", "slope", {}) == ("general", TEXTBOOK)


def test_a_municipality_lays_its_own_rates_over_ours(tmp_path: Path) -> None:
    """A table for some of a class, by the ledger; everybody else keeps the package's."""
    coast = f'[assets.bridge.where.coast]\nattribute = "environment"\nvalues = ["塩害"]{OWN}'
    (tmp_path / "minato.toml").write_text(coast, encoding="utf-8")
    book = load_rates(tmp_path)
    table, rates = book.of("minato", "bridge", {"environment": "塩害"})
    assert (table, rates.leaving, rates.prior_years) == ("assets.bridge.where.coast", (0.2, 0.1, 0.05), 100)
    for municipality, attributes in (("minato", {}), ("ueno", {"environment": "塩害"})):
        assert book.of(municipality, "bridge", attributes)[1] == BOOK.of("", "bridge", {})[1]
    told = ageing_text(expect(0, None, fit(rates))[0])
    assert "健全度と町の点検による率から" in told[0]
    assert "from its rating and the town's rates" in told[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[assets.bridge]\nleaving = [0.2, 0.1, 0.05]", "changed without source, ja, en"),
        (f"[assets.bridg]{OWN}", "no class 'bridg' with a condition; did you mean 'bridge'"),
        (f"[general]{OWN}".replace("0.05", "-0.05"), "three rates a year above 0"),
        (f"[general]{OWN}".replace(", 0.05", ""), "leaving"),
        ("[general]\nprior_years = 0", "prior_years must be more than 0"),
        ("[general]\npriors = 3", "unknown key 'priors'"),
    ],
)
def test_a_slip_in_own_rates_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    folder, config = tmp_path / "rates", tmp_path / "satomori.toml"
    folder.mkdir()
    (folder / "minato.toml").write_text(text, encoding="utf-8")
    config.write_text(f"[analytics]\nrates_dir = '{folder}'\n", encoding="utf-8")
    found = CliRunner().invoke(playbook, ["check", "--config", str(config)])
    assert isinstance(found.exception, SettingsError)
    assert told in str(found.exception)
    assert "minato.toml" in str(found.exception)
    with pytest.raises(SettingsError, match="no such folder"):
        load_rates(tmp_path / "nowhere")


def test_inspections_are_read_from_the_ledger() -> None:
    """Widths and orders vary; what got better was repaired between; what can't be read is told."""
    found, unread = records_of({"点検履歴": "2019-05-30 Ⅱ; 2014-06-01　Ⅰ、2024 ii;R6 II; 2020-13-01 I"}, HEALTH)
    assert [(record.on.year, record.state) for record in found] == [(2014, 0), (2019, 1), (2024, 1)]
    assert unread == ["R6 II", "2020-13-01 I"]
    assert "R6 II" in unread_text(unread)[0]
    assert [(pair.before, pair.after) for pair in pairs_of(found)] == [(0, 1), (1, 1)]
    assert pairs_of(found)[0].years == pytest.approx(5, abs=0.01)
    repaired, _ = records_of({"inspections": ["2014-06 III", "2019-06 I"]}, HEALTH)
    assert pairs_of(repaired) == []


def test_yearly_pairs_give_the_gamma_posterior() -> None:
    """Seen often, 20 of 400 that leave II in a quarter each: Gamma-Poisson's mean (5 + 20) / (100 + 97.5) a year.

    Those that left were in II for half of their quarter, as nearly as quarters tell.
    """
    fitted = fit(TEXTBOOK, [Pair(1, 2, 0.25)] * 20 + [Pair(1, 1, 0.25)] * 380)
    exact = (5 + 20) / (100 + 380 * 0.25 + 20 * 0.125)
    assert np.exp(fitted.log_theta[1]) == pytest.approx(exact, rel=0.005)
    assert np.sqrt(fitted.covariance[1][1]) == pytest.approx(1 / np.sqrt(25), rel=0.02)


def seen(rng: np.random.Generator, theta: tuple[float, ...], count: int) -> list[Pair]:
    """Structures in I and II, and again five years later."""
    chances = hazard_transition(theta, 5)
    before = rng.integers(0, 2, count)
    return [Pair(int(b), int(rng.choice(4, p=chances[b])), 5.0) for b in before]


def band(fitted: Fitted, state: int) -> tuple[float, float, float]:
    first = expect(state, None, fitted)[0]
    return first.chance, first.low, first.high


def test_own_pairs_bring_the_rate_up_to_date_and_narrow_the_band() -> None:
    truth = (0.03, 0.15, 0.05)
    before, after = band(fit(TEXTBOOK), 1), band(fit(TEXTBOOK, seen(np.random.default_rng(5), truth, 400)), 1)
    real = float(hazard_transition(truth, 5)[1, 2:].sum())
    assert abs(after[0] - real) < abs(before[0] - real) / 3
    assert after[2] - after[1] < (before[2] - before[1]) / 2


def test_the_band_holds_the_truth_about_nine_times_of_ten() -> None:
    """Towns whose rates are drawn from the prior itself, 60 pairs each, five years apart."""
    held, rng, towns = 0, np.random.default_rng(11), 60
    for _ in range(towns):
        truth = tuple(rng.gamma(np.array(TEXTBOOK.leaving) * 100, 1 / 100))
        _, low, high = band(fit(TEXTBOOK, seen(rng, truth, 60)), 1)
        held += low <= hazard_transition(truth, 5)[1, 2:].sum() <= high
    assert 0.8 <= held / towns <= 0.98, held / towns


def test_a_towns_inspections_count_for_all_its_bridges(region: Region) -> None:
    """Nine of ten went from II to III in five years: the tenth's chance is above that of the package's rates."""
    for i in range(9):
        history = {"inspections": "2019-05 II; 2024-05 III"}
        region.add_asset(f"b{i}", "bridge", ["tilt"], interval_s=3600, attributes=history)
    region.add_asset("tenth", "bridge", ["tilt"], interval_s=3600, attributes={"点検履歴": "2024-05 II; soon I"})
    (found,) = conditions(region.registry, region.store, load_structures(region.registry, ["tenth"]), NOON_US)
    alone = expect(1, None, fit(BOOK.of("", "bridge", {})[1]))
    assert (found.rating, found.unread, found.ageing[0].pairs) == ("II", ("soon I",), 9)
    assert found.ageing[0].chance > 2 * alone[0].chance
    assert "自治体の点検9組で補正" in ageing_text(found.ageing[0])[0]


def test_years_since_the_last_inspection_count() -> None:
    """II four years ago is by now likelier at III than II today; whole years count, and none before the inspection."""
    today, earlier = (expect(1, None, fit(TEXTBOOK), since_years=years)[0] for years in (0.0, 4.9))
    assert (today.inspected_years, earlier.inspected_years) == (0, 4)
    assert earlier.chance == pytest.approx(1 - np.exp(-0.05 * 9))
    assert "4年前の点検の健全度と" in ageing_text(earlier)[0]
    assert "from its rating 4 years ago and" in ageing_text(earlier)[1]


@pytest.mark.parametrize(("rating", "years"), [("II", 2), ("III", 0)])
def test_an_inspection_dates_the_rating_that_agrees_with_it(region: Region, rating: str, years: int) -> None:
    """Of another rating in the ledger it is not known since when it holds."""
    ledger = {"健全度": rating, "inspections": "2019-05-01 I; 2024-05-01 II"}
    region.add_asset("bridge", "bridge", ["tilt"], interval_s=3600, attributes=ledger)
    (found,) = conditions(region.registry, region.store, load_structures(region.registry), NOON_US)
    assert (found.rating, found.ageing[0].inspected_years) == (rating, years)


def test_a_sewer_span_goes_from_its_urgency(region: Region) -> None:
    ranks = {"corrosion_rank": "B", "sag_rank": "-", "crack_rank": "-"}
    region.add_asset("span", "sewer_span", ["hydrogen_sulfide"], interval_s=3600, attributes=ranks)
    (found,) = conditions(region.registry, region.store, load_structures(region.registry), NOON_US)
    assert (found.sewer_urgency, found.ageing[0].start, found.ageing[0].reached) == ("III", "III", "II")
    assert "緊急度II" in ageing_text(found.ageing[0])[0]


def test_the_rates_in_force_are_listed_with_their_sources(region: Region) -> None:
    """Of a town's bridges what its own pairs made of the package's rates; of spans their own states."""
    region.add_asset(
        "bridge", "bridge", ["tilt"], interval_s=3600, attributes={"inspections": "2019-05 II; 2024-05 III"}
    )
    region.add_asset("span", "sewer_span", ["hydrogen_sulfide"], interval_s=3600)
    asked = ["--state", str(region.state), "--rates", "--json"]
    listed = CliRunner().invoke(condition, asked, catch_exceptions=False)
    told = {(row["class"], row["from"], row["to"]): row for row in json.loads(listed.output)}
    assert set(told) == {
        ("bridge", "I", "II"), ("bridge", "II", "III"), ("bridge", "III", "IV"),
        ("sewer_span", "-", "III"), ("sewer_span", "III", "II"), ("sewer_span", "II", "I"),
    }  # fmt: skip
    worsens, stays = told["bridge", "II", "III"], told["bridge", "I", "II"]
    assert (worsens["pairs"], worsens["municipality"]) == (1, "town")
    assert worsens["a_year"] > leaving("bridge")[1]
    assert stays["a_year"] == leaving("bridge")[0]
    assert worsens["low"] < worsens["a_year"] < worsens["high"]
    assert "中部地方整備局" in worsens["source"]


def test_a_rate_without_a_source_is_none() -> None:
    with pytest.raises(ValueError, match="say where the rates are from"):
        Rates(leaving=(0.1, 0.1, 0.1), source=" ", ja="x", en="x")
