"""Told earthquakes and storms: what may be said, and what becomes of it in the registry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_analytics.triage.events import AGAIN_US, FOLLOWED_US, Looker, parse_event, say
from satomori_core.clock import HOUR_US
from satomori_core.errors import ConflictError, RejectedError
from satomori_store.databases import reading
from satomori_store.events import check_off, decode_event, record_event
from satomori_store.models import FirstLook, HazardEvent
from satomori_store.transactions import transaction
from support.analytics_region import Region, open_region
from support.region import finding

NOW = 500_000 * HOUR_US
QUAKE = {"id": "eq-1", "kind": "earthquake", "intensity": {"town": "6弱"}}


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"kind": "flood"}, "kind"),
        ({"kind": "earthquake"}, "say what happened"),
        ({"kind": "earthquake", "latitude": 34, "longitude": 133}, "magnitude"),
        ({"kind": "earthquake", "latitude": "34", "longitude": 133, "magnitude": 6}, "latitude"),
        ({"kind": "earthquake", "intensity": {"town": "9"}}, "intensity"),
        ({"kind": "earthquake", "intensity": ["town"]}, "intensity"),
        ({"kind": "earthquake", "rain": {"town": 9}}, "rain"),
        ({"kind": "storm", "gauges": True}, "say what happened"),
        ({"kind": "storm", "gauges": 1, "rain": {"town": 9}}, "gauges"),
        ({"kind": "storm", "rain": {"town": True}}, "True"),
        ({"kind": "storm", "rain": {"town": 9_999}}, "rain"),
        ({"kind": "storm", "river": {"town": 6}}, "river"),
        ({"kind": "storm", "rain": {"town": 9}, "note": "x" * 501}, "note"),
        ({"kind": "storm", "rain": {"town": 9}, "note": ["x"]}, "note"),
    ],
)
def test_what_is_wrong_is_named(told: dict[str, Any], named: str) -> None:
    with pytest.raises(RejectedError, match=named):
        parse_event({"id": "x", **told}, {})


def test_what_is_told_stands_before_the_gauges() -> None:
    event = parse_event({"id": "x", "kind": "storm", "rain": {"a": 50}, "gauges": True}, {"a": 80.0, "b": 30.0})
    assert event.told["rain"] == {"a": 50.0, "b": 30.0}
    assert say(event, {"a": ("青葉", "Aoba")}) == ("24時間雨量50 mm（青葉）", "24-hour rain 50 mm in Aoba")


def test_a_river_is_told_by_the_level_of_the_flood_forecast() -> None:
    event = parse_event({"id": "x", "kind": "storm", "river": {"a": 3}, "note": "県道は通行止め"}, {})
    assert say(event, {"a": ("青葉", "Aoba")}) == ("河川水位レベル3（青葉）", "river at level 3 in Aoba")
    told = {"id": "x", "kind": "storm", "gauges": True}
    dry = parse_event({**told, "river": {"a": 3}}, {"a": 0.0})
    assert say(dry, {})[1] == "river at level 3 in a"
    assert say(parse_event(told, {"a": 0.0}), {})[1] == "24-hour rain 0 mm in a"


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"kind": "storm"}', b'{"id": "a b"}', b" " * 70_000])
def test_a_message_needs_an_id(payload: bytes) -> None:
    with pytest.raises(RejectedError, match=r"`id`|JSON|bytes"):
        decode_event(payload)


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    opened = open_region(tmp_path)
    opened.add_asset("bridge-1", "bridge", ["strain"])
    opened.add_asset("field-1", "upland_field", ["rain"], interval_s=3600)
    yield opened
    opened.close()


def tell(region: Region, told: dict[str, Any], at_us: int = NOW) -> bool:
    with transaction(region.registry) as session:
        return record_event(session, told, "mqtt", at_us)


def shown(region: Region, event: str) -> tuple[HazardEvent, list[FirstLook]]:
    with reading(region.registry) as connection, Session(connection, expire_on_commit=False) as session:
        looks = session.scalars(select(FirstLook).where(FirstLook.event_id == event).order_by(FirstLook.rank))
        return session.get_one(HazardEvent, event), list(looks)


def test_an_event_is_ordered_once_and_followed_for_days(region: Region) -> None:
    """Told twice it is one; other words under the same id are refused; who has looked stays when the order is new."""
    looker = Looker(region.registry, region.store, None)
    assert tell(region, QUAKE)
    assert not tell(region, QUAKE, NOW + 1)
    with pytest.raises(RejectedError, match="eq-1"):
        tell(region, {**QUAKE, "intensity": {"town": "7"}})
    assert looker.round(NOW + 1) == 1
    event, looks = shown(region, "eq-1")
    assert (event.state, event.error, event.said_ja) == ("ordered", None, "震度6弱（里守町）")
    assert [look.rank for look in looks] == [1, 2, 3]
    assert {look.asset_id: look.verdict for look in looks} == dict.fromkeys(("bridge-1", "field-1", "gw"), "look")
    with transaction(region.registry) as session:
        check_off(session, "eq-1", "bridge-1", "ito", result="fine", note=None, at_us=NOW + 2)
        with pytest.raises(ConflictError, match="ito"):
            check_off(session, "eq-1", "bridge-1", "sato", result="fine", note=None, at_us=NOW + 3)
    assert looker.round(NOW + 2) == 0
    assert looker.round(NOW + 1 + AGAIN_US) == 1
    assert looker.round(NOW + FOLLOWED_US + AGAIN_US) == 0
    _, again = shown(region, "eq-1")
    assert [(look.asset_id, look.looked_by, look.result) for look in again if look.result] == [
        ("bridge-1", "ito", "fine")
    ]
    assert len(again) == 3


def test_what_moves_an_asset_is_kept_until_somebody_has_looked(region: Region) -> None:
    """A finding opens at the last one: where it stood and since when. Who makes room for it has not changed."""
    looker = Looker(region.registry, region.store, None)
    tell(region, QUAKE)
    looker.round(NOW)
    last = shown(region, "eq-1")[1][-1]
    assert (last.rank, last.rank_before, last.changed_us) == (3, 3, None)
    with transaction(region.registry) as session:
        session.add(finding(at_us=NOW, asset_id=last.asset_id, datastream_id=None, level=4))
    for round_ in (1, 2):
        looker.round(NOW + round_ * AGAIN_US)
    first, moved, third = shown(region, "eq-1")[1]
    assert (moved.asset_id, moved.rank_before, moved.changed_us) == (last.asset_id, 3, NOW + AGAIN_US)
    assert set(moved.reasons_en) - set(moved.reasons_before_en or ()) == {"stands at danger", "1 open finding"}
    assert (first.changed_us, third.changed_us) == (None, None)
    with transaction(region.registry) as session:
        looked = check_off(session, "eq-1", moved.asset_id, "ito", result="fine", note=None, at_us=NOW + 2 * AGAIN_US)
        assert (looked.rank_before, looked.changed_us, looked.reasons_before_en) == (2, None, moved.reasons_en)


def test_a_clock_that_was_ahead_is_followed_back(region: Region) -> None:
    """Ordered by a clock a day ahead, it is ordered again by the right one, not only a day later."""
    looker = Looker(region.registry, region.store, None)
    assert tell(region, QUAKE)
    assert [looker.round(at_us) for at_us in (NOW + 24 * HOUR_US, NOW + 1, NOW + 2)] == [1, 1, 0]
    assert shown(region, "eq-1")[0].ordered_us == NOW + 1


def test_what_cannot_be_ordered_says_why(region: Region) -> None:
    tell(region, {**QUAKE, "intensity": {"nowhere": "6弱"}})
    looker = Looker(region.registry, region.store, None)
    assert looker.round(NOW) == 1
    event, looks = shown(region, "eq-1")
    assert (event.state, looks) == ("refused", [])
    assert "nowhere" in str(event.error)
    assert looker.round(NOW + FOLLOWED_US) == 0
