"""What a message says, in both languages: what, where, since when, how bad, why, what to do, whose, and a link."""

from dataclasses import replace

import pytest

from satomori_core.clock import HOUR_US, from_iso
from satomori_core.vocabulary import Cause, Level, Priority
from satomori_maintenance.notify import Reason
from satomori_maintenance.settings import Language
from satomori_maintenance.texts import (
    CAUSES,
    LEVELS,
    PRIORITIES,
    AlertText,
    body,
    full_text,
    shown_unit,
    title,
)

ALERT = AlertText(
    alert_id=7,
    asset_id="bridge-1",
    asset=("一番橋", "First Bridge"),
    class_="bridge",
    site=("上野川", "Ueno River"),
    municipality=("上野町", "Ueno Town"),
    organisation=("上野町", "Ueno Town"),
    time_zone="Asia/Tokyo",
    level=Level.WARNING,
    priority=Priority.MEDIUM,
    cause=Cause.ASSET,
    since_us=from_iso("2026-11-23T05:00:00Z"),
    until_us=None,
    what=("ひずみが基準を超えています", "The strain is above its limit"),
    action=("通行を確認し、現地で点検してください", "Check the traffic and inspect on site"),
    confidence=0.9,
    evidence={"value": 412.3, "limit": 350.0, "unit": "um/m", "source": "道路橋示方書"},
    explains=2,
)


def test_one_alert_in_japanese_word_for_word() -> None:
    assert full_text(ALERT, "ja", "https://satomori.example.jp/") == (
        "■ 警戒 一番橋\n"
        "何が：ひずみが基準を超えています\n"
        "どこ：上野町 上野川 一番橋 (橋梁)\n"
        "いつから：2026年11月23日 14:00 (JST)\n"
        "深刻さ：警戒 (優先度中)\n"
        "理由：施設・ほ場の異常、値 412.3 um/m、基準 350 um/m、出典 道路橋示方書、確からしさ 90%、"
        "これにより 2 件の警報をまとめました\n"
        "すること：通行を確認し、現地で点検してください\n"
        "管理者：上野町\n"
        "詳しく：https://satomori.example.jp/asset/bridge-1"
    )


def test_one_alert_in_english_word_for_word() -> None:
    assert full_text(ALERT, "en", "https://satomori.example.jp") == (
        "■ warning First Bridge\n"
        "What: The strain is above its limit\n"
        "Where: First Bridge, Ueno River, Ueno Town (bridge)\n"
        "Since: 2026-11-23 14:00 JST\n"
        "How bad: warning (priority medium)\n"
        "Why: the asset itself; value 412.3 um/m; limit 350 um/m; source 道路橋示方書; confidence 90%; "
        "this explains 2 further alerts\n"
        "What to do: Check the traffic and inspect on site\n"
        "Whose: Ueno Town\n"
        "Details: https://satomori.example.jp/asset/bridge-1"
    )


@pytest.mark.parametrize(
    ("reason", "firing", "resolved", "ja", "en"),
    [
        (Reason.FIRST, [ALERT], [], "【警戒】上野町 一番橋", "[WARNING] First Bridge, Ueno Town"),
        (
            Reason.NEW,
            [ALERT, replace(ALERT, level=Level.DANGER)],
            [],
            "【危険】上野町 一番橋 ほか1件（新しい警報）",
            "[DANGER] First Bridge, Ueno Town and 1 more (new alert)",
        ),
        (Reason.ESCALATED, [ALERT], [], "【警戒】上野町 一番橋（悪化）", "[WARNING] First Bridge, Ueno Town (worse)"),
        (Reason.RESOLVED, [], [ALERT], "【おさまりました】上野町 一番橋", "[OVER] First Bridge, Ueno Town"),
        (
            Reason.RESOLVED,
            [ALERT],
            [ALERT],
            "【おさまりました】上野町 一番橋（続いている警報 1件）",
            "[OVER] First Bridge, Ueno Town (Still standing: 1)",
        ),
        (
            Reason.REPEAT,
            [ALERT],
            [],
            "【警戒】上野町 一番橋（継続中）",
            "[WARNING] First Bridge, Ueno Town (still standing)",
        ),
    ],
)
def test_the_title_says_the_worst_first(
    reason: Reason, firing: list[AlertText], resolved: list[AlertText], ja: str, en: str
) -> None:
    new = frozenset(a.alert_id for a in firing)
    assert title(reason, firing, resolved, new, "ja") == ja
    assert title(reason, firing, resolved, new, "en") == en


def test_the_title_is_about_what_is_new() -> None:
    """A danger that was told before does not hide which alert is the new one."""
    told = replace(ALERT, alert_id=1, level=Level.DANGER, asset=("二番橋", "Second Bridge"))
    assert title(Reason.NEW, [told, ALERT], [], frozenset({7}), "ja") == "【警戒】上野町 一番橋 ほか1件（新しい警報）"


def test_the_body_tells_what_is_new_in_full_and_the_rest_in_a_line() -> None:
    over = replace(ALERT, alert_id=8, asset=("二番橋", "Second Bridge"), until_us=ALERT.since_us + HOUR_US)
    old = replace(ALERT, alert_id=9, asset=("三番橋", "Third Bridge"))
    text = body([old, ALERT], [over], frozenset({7}), "ja", "http://x")
    assert text.index("新しい警報 1件") < text.index("おさまった警報 1件") < text.index("続いている警報 1件")
    assert text.count("すること") == 1
    assert "・警戒 二番橋 2026年11月23日 14:00 (JST)–2026年11月23日 15:00 (JST)" in text


@pytest.mark.parametrize(
    ("ucum", "shown"), [("Cel", "℃"), ("u{strain}", "µε"), ("[ppm]", "ppm"), ("1", ""), ("kPa", "kPa")]
)
def test_units_read_as_people_write_them(ucum: str, shown: str) -> None:
    assert shown_unit(ucum) == shown


def test_many_alerts_stay_readable() -> None:
    """Fifty at once: twenty in full, thirty in a line each."""
    many = [replace(ALERT, alert_id=number) for number in range(50)]
    text = body(many, [], frozenset(range(50)), "en", "http://x")
    assert text.count("What to do") == 20
    assert text.count("・warning First Bridge") == 30


@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_word_is_missing_in_a_language(language: Language) -> None:
    for words in (LEVELS, PRIORITIES, CAUSES):
        assert all(ja and en for ja, en in words.values())
    assert set(LEVELS) == set(Level)
    assert set(PRIORITIES) == set(Priority)
    assert set(CAUSES) == set(Cause)
    bare = replace(ALERT, evidence={}, confidence=None, explains=0, what=("だけ", ""), class_="windmill")
    assert "だけ" in full_text(bare, language, "http://x")
    assert "windmill" in full_text(bare, language, "http://x")


@pytest.mark.parametrize(("language", "label"), [("ja", "根拠の図："), ("en", "Picture: ")])
def test_a_finding_that_is_drawn_is_linked_by_way_of_the_login(language: Language, label: str) -> None:
    link = "https://satomori.example.jp/login?next=/api/v1/findings/12/picture.svg"
    assert full_text(replace(ALERT, pictured=12), language, "https://satomori.example.jp/").endswith(f"\n{label}{link}")
