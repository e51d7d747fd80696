"""What the operate card says, in both languages: pure functions of what the queries answer."""

from dataclasses import replace
from typing import Any

import pytest

from satomori_api.formatting import Language
from satomori_api.views import ActuatorView, CommandView, DeviceView, GatewayView
from satomori_core.clock import MINUTE_US, from_iso
from satomori_core.commands import Action, Ended, Reason
from satomori_dashboards.console.devices import gateways_of
from satomori_dashboards.console.operate import machine_of, reason_words, told_of
from satomori_dashboards.console.texts import LANGUAGES, TEXTS
from satomori_store.commanding import NOT_SENT, State

NOW = from_iso("2026-07-03T01:02:00Z")
ZONE = "Asia/Tokyo"
GATE = ActuatorView(
    gateway_id="gw", name="gate", label="東ゲート", label_en="East gate", online=True, offered=True, device="io",
    unit="%", values=(), min=0.0, max=100.0, fail_safe=0.0, run_s_max=1800.0, settle_s=5.0, position=40.0,
    read_at_us=NOW,
)  # fmt: skip
COMMAND = CommandView(
    id="c", asset_id="a", device_id=None, gateway_id="gw", actuator="gate", action="set", value=40.0, run_s=600.0,
    interval_s=None, user_id="ito", why="入水", state="done", reason="", late=False, read_back=40.0, read_at_us=NOW,
    until_us=NOW + 9 * MINUTE_US, ended_us=None, ended_why="", issued_us=NOW - MINUTE_US, expires_us=NOW,
    sent_count=1, sent_us=NOW, replies=1, replied_us=NOW, updated_us=NOW,
)  # fmt: skip


def told(language: Language = "ja", **more: Any) -> tuple[str, str, tuple[str, ...]]:
    command = replace(COMMAND, **more)
    units, names = {"gate": "%"}, {"probe": "水位計"}
    shown = told_of(language, command, units, {"ito": "伊藤"}, zone=ZONE, at_us=NOW, devices=names)
    return shown.what, shown.who, shown.facts


def test_every_state_end_and_reason_has_its_words() -> None:
    """A state, an end or a reason that the wire gets later than this table would be shown raw."""
    wanted = {f"operate.state.{state}" for state in State} | {f"operate.ended.{ended}" for ended in Ended}
    wanted |= {f"operate.reason.{reason}" for reason in (*Reason, NOT_SENT)}
    places = ("operate.state.", "operate.ended.", "operate.reason.")
    assert {key for key in TEXTS if key.startswith(places)} == wanted


def test_a_command_says_what_who_and_how_it_fares() -> None:
    assert told() == ("40% に 10分", "10:01 伊藤", ("実行", "読み返し 40%", "10:11 に自動で戻る"))
    assert told("en")[2] == ("done", "read back 40%", "goes back by itself at 10:11")
    assert told(action="stop", value=None, run_s=None)[0] == "安全位置へ戻す"
    assert told(run_s=None, until_us=None)[0] == "40% にする"


def test_the_end_of_a_run_takes_the_place_of_its_promise() -> None:
    ended = told(ended_us=NOW + 9 * MINUTE_US, ended_why="link_lost", read_back=0.0)
    assert ended[2] == ("実行", "読み返し 0%", "10:11 に終了（通信断）")


def test_a_run_whose_time_is_over_without_word_of_its_end_is_no_promise_any_more() -> None:
    late: dict[str, Any] = {"until_us": NOW - MINUTE_US}
    assert told(**late)[2][-1] == "10:01 に自動で戻る予定・確認の返事待ち"
    assert told("en", **late)[2][-1] == "was to go back by itself at 10:01, not confirmed yet"


def test_an_interval_names_its_device_and_seconds() -> None:
    more: dict[str, Any] = {
        "asset_id": None, "device_id": "probe", "actuator": None, "action": "interval", "value": None, "run_s": None,
        "interval_s": 60.0, "read_back": 60.0, "until_us": None,
    }  # fmt: skip
    assert told(**more) == ("水位計: 60 s ごとに測定", "10:01 伊藤", ("実行", "読み返し 60 s"))
    assert told("en", **more)[0] == "水位計: a reading each 60 s"


@pytest.mark.parametrize(
    ("kind", "samplable", "offered"),
    [("edge", {"probe"}, True), ("edge", {"other"}, False), ("direct", {"probe"}, False)],
)
def test_an_interval_is_offered_where_the_visitor_may_order_it_and_a_gateway_asks(
    kind: str, samplable: set[str], offered: bool
) -> None:
    gateway = GatewayView("gw", "farm", "field", kind, "親機", "", 900, True, NOW, "online", 1)
    device = DeviceView("probe", "水位計", "", None, "gw", "親機", "", True, NOW, ("a",), 1, 0, 0, 0)
    [shown] = gateways_of("ja", [gateway], [device], NOW, samplable=frozenset(samplable), orders={})
    assert [one.may_sample for one in shown.devices] == [offered]


def test_what_is_not_known_is_said_so() -> None:
    """Lost is not failed; a late answer is told as late; a reason of a later version is shown as it came."""
    nothing: dict[str, Any] = {"read_back": None, "until_us": None}
    assert told(state="lost", **nothing)[2] == ("返事なし・実行されたか不明",)
    assert told(late=True, **nothing)[2] == ("実行", "遅れて返事")
    assert told(state="expired", reason=NOT_SENT, **nothing)[2] == ("期限切れ・実行されていません", "送れませんでした")
    assert reason_words("ja", "pause: started 3 s ago; the pause is 60 s") == (
        "休止時間中 (started 3 s ago; the pause is 60 s)"
    )
    assert reason_words("en", "moonlight: too bright") == "moonlight: too bright"


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_are_what_the_gateway_takes_and_always_one_to_stop(language: Language) -> None:
    """A span asks for its value in the dialog; the fail-safe value has the stop button alone."""
    machine = machine_of(language, GATE, ZONE, NOW, may_operate=True)
    assert [(choice.action, choice.value) for choice in machine.choices] == [(Action.SET, None), (Action.STOP, None)]
    assert (machine.limits, machine.run_min_max, machine.hint) == ((0.0, 100.0), 30.0, "")
    switch = replace(GATE, values=(0.0, 1.0, 2.0), min=None, max=None, run_s_max=None)
    machine = machine_of(language, switch, ZONE, NOW, may_operate=True)
    assert [choice.value for choice in machine.choices] == [1.0, 2.0, None]
    assert (machine.limits, machine.run_min_max) == (None, None)


def test_who_may_not_or_what_is_away_has_no_buttons_and_a_word_why() -> None:
    foreign = machine_of("ja", GATE, ZONE, NOW, may_operate=False)
    away = machine_of("ja", replace(GATE, offered=False, position=None), ZONE, NOW, may_operate=True)
    assert foreign.choices == away.choices == ()
    assert "役割" in foreign.hint
    assert "受け付けていません" in away.hint
    assert away.position == "位置はまだ読み返されていません"
    offline = machine_of("ja", replace(GATE, online=False), ZONE, NOW, may_operate=True)
    assert "切断" in offline.hint
    assert offline.choices  # it may be back before the order expires
