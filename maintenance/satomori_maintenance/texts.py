"""The words of a message, in Japanese and English: what, where, since when, how bad, why, what to do, whose. Pure.

The order follows what an alarm has to tell by ISA-TR18.2.2: limit, cause, consequence, the operator's action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from satomori_core.classes import classes
from satomori_core.clock import to_datetime
from satomori_core.vocabulary import Cause, Level, Priority
from satomori_maintenance.notify import Reason
from satomori_maintenance.settings import Language

Bilingual = tuple[str, str]

LEVELS: dict[Level, Bilingual] = {
    Level.GOOD: ("良好", "good"),
    Level.UNKNOWN: ("不明", "unknown"),
    Level.WATCH: ("注意", "watch"),
    Level.WARNING: ("警戒", "warning"),
    Level.DANGER: ("危険", "danger"),
}
PRIORITIES: dict[Priority, Bilingual] = {
    Priority.LOW: ("低", "low"),
    Priority.MEDIUM: ("中", "medium"),
    Priority.HIGH: ("高", "high"),
}
CAUSES: dict[Cause, Bilingual] = {
    Cause.ASSET: ("施設・ほ場の異常", "the asset itself"),
    Cause.SENSOR: ("センサーの故障", "a sensor fault"),
    Cause.GATEWAY: ("通信の途絶", "a lost connection"),
}
_WORDS: dict[str, Bilingual] = {
    "what": ("何が", "What"),
    "where": ("どこ", "Where"),
    "since": ("いつから", "Since"),
    "until": ("いつまで", "Until"),
    "level": ("深刻さ", "How bad"),
    "why": ("理由", "Why"),
    "action": ("すること", "What to do"),
    "owner": ("管理者", "Whose"),
    "link": ("詳しく", "Details"),
    "picture": ("根拠の図", "Picture"),
    "priority": ("優先度", "priority"),
    "also": ("これにより {} 件の警報をまとめました", "this explains {} further alerts"),
    "new": ("新しい警報", "New"),
    "standing": ("続いている警報", "Still standing"),
    "over": ("おさまった警報", "Over"),
    "number": ("通知番号", "Notification"),
    "confidence": ("確からしさ", "confidence"),
    "value": ("値", "value"),
    "limit": ("基準", "limit"),
    "expected": ("通常", "expected"),
    "source": ("出典", "source"),
}
_TITLES: dict[Reason, Bilingual] = {
    Reason.FIRST: ("警報", "alert"),
    Reason.NEW: ("新しい警報", "new alert"),
    Reason.ESCALATED: ("悪化", "worse"),
    Reason.RESOLVED: ("おさまりました", "over"),
    Reason.REPEAT: ("継続中", "still standing"),
}
# How many alerts one message tells in full; of the others it tells the number.
_FULL_MAX = 20
LOOKS_TOLD = 5  # of what to look at first, in a message


@dataclass(frozen=True, slots=True)
class AlertText:
    """All that a message says of one alert. Names are (Japanese, English); `pictured`: its finding, if it is drawn."""

    alert_id: int
    asset_id: str
    asset: Bilingual
    class_: str
    site: Bilingual
    municipality: Bilingual
    organisation: Bilingual
    time_zone: str
    level: Level
    priority: Priority
    cause: Cause
    since_us: int
    until_us: int | None
    what: Bilingual
    action: Bilingual
    confidence: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    explains: int = 0
    pictured: int | None = None


@dataclass(frozen=True, slots=True)
class LookText:
    """All that a message says of one asset to look at. Texts are (Japanese, English)."""

    asset_id: str
    verdict: str
    asset: Bilingual
    municipality: Bilingual
    reasons: Bilingual
    look: Bilingual


def pick(text: Bilingual, language: Language) -> str:
    """The text in that language, or in the other one where it is missing."""
    ja, en = text
    return (ja or en) if language == "ja" else (en or ja)


def word(name: str, language: Language) -> str:
    return pick(_WORDS[name], language)


def level_word(level: int, language: Language) -> str:
    return pick(LEVELS[Level(level)], language)


def class_word(class_: str, language: Language) -> str:
    entry = classes().get(class_)
    return class_ if entry is None else pick((entry.ja, entry.en.lower()), language)


def asset_link(console_url: str, asset_id: str) -> str:
    """The console's page of the asset."""
    return f"{console_url.rstrip('/')}/asset/{asset_id}"


def picture_link(console_url: str, finding_id: int) -> str:
    """The finding's evidence drawn, by way of the login, which whoever is logged in does not see."""
    return f"{console_url.rstrip('/')}/login?next=/api/v1/findings/{finding_id}/picture.svg"


def look_link(console_url: str, event_id: str) -> str:
    """The console's page of what to look at first after an event."""
    return f"{console_url.rstrip('/')}/look?event={event_id}"


def looks_title(said: Bilingual, looks: Sequence[LookText], language: Language) -> str:
    """One line: what happened, and how many of the receiver's assets are to be looked at."""
    count = sum(look.verdict == "look" for look in looks)
    if language == "ja":
        return f"【まず見る所】{pick(said, language)}: {count}件"
    return f"[LOOK HERE FIRST] {pick(said, language)}: {count} asset{'s' if count > 1 else ''}"


def looks_body(looks: Sequence[LookText], language: Language, console_url: str, event_id: str, note: str) -> str:
    """The teller's note; the first ones, why and what to look at; how many more; where the whole order is."""
    first = [look for look in looks if look.verdict == "look"]
    unknown = len(looks) - len(first)
    lines = [note] if note else []
    for number, look in enumerate(first[:LOOKS_TOLD], 1):
        lines += [f"{number}. {pick(look.asset, language)} ({pick(look.municipality, language)})"]
        lines += [f"   {text}" for text in (pick(look.reasons, language), pick(look.look, language)) if text]
    if (more := len(first) - LOOKS_TOLD) > 0:
        lines += [f"ほか{more}件" if language == "ja" else f"and {more} more"]
    if unknown:
        lines += [f"強さ不明 {unknown}件" if language == "ja" else f"not known how strong: {unknown}"]
    colon = "：" if language == "ja" else ": "
    return "\n".join([*lines, "", f"{word('link', language)}{colon}{look_link(console_url, event_id)}"]) + "\n"


def title(
    reason: Reason,
    firing: Sequence[AlertText],
    resolved: Sequence[AlertText],
    new: frozenset[int],
    language: Language,
) -> str:
    """One line: the worst of what is new, so that a phone's lock screen already says it; else what is over."""
    over = reason is Reason.RESOLVED
    about = resolved if over else [a for a in firing if a.alert_id in new] or firing
    shown = min(about, key=_worst_first)
    head = pick(_TITLES[Reason.RESOLVED], language) if over else level_word(shown.level, language)
    others = (len(resolved) if over else len(firing)) - 1
    note = "" if reason in {Reason.FIRST, Reason.RESOLVED} else pick(_TITLES[reason], language)
    if over and firing:
        note = f"{word('standing', language)}{f' {len(firing)}件' if language == 'ja' else f': {len(firing)}'}"
    place, asset = pick(shown.municipality, language), pick(shown.asset, language)
    if language == "ja":
        return f"【{head}】{place} {asset}" + (f" ほか{others}件" if others else "") + (f"（{note}）" if note else "")
    return (
        f"[{head.upper()}] {asset}, {place}"
        + (f" and {others} more" if others else "")
        + (f" ({note})" if note else "")
    )


def body(
    firing: Sequence[AlertText],
    resolved: Sequence[AlertText],
    new: frozenset[int],
    language: Language,
    console_url: str,
) -> str:
    """The whole message: what is new in full, then what is over, then what still stands, a line each."""
    fresh = sorted((a for a in firing if a.alert_id in new), key=_worst_first)
    standing = sorted((a for a in firing if a.alert_id not in new), key=_worst_first)
    parts: list[str] = []
    if fresh:
        parts += [_headline("new", len(fresh), language)]
        parts += [full_text(alert, language, console_url) for alert in fresh[:_FULL_MAX]]
        parts += [_line(alert, language) for alert in fresh[_FULL_MAX:]]
    if resolved:
        parts += [_headline("over", len(resolved), language), *(_line(a, language) for a in resolved)]
    if standing:
        parts += [_headline("standing", len(standing), language), *(_line(a, language) for a in standing)]
        if not fresh:
            parts += [full_text(standing[0], language, console_url)]
    return "\n\n".join(parts) + "\n"


def number_line(number: int, language: Language) -> str:
    """The message's number: who gets the same one twice, after a crash, can see that it is the same."""
    return f"\n{word('number', language)} {number}\n"


def full_text(alert: AlertText, language: Language, console_url: str) -> str:
    """One alert: what, where, since when, how bad, why, what to do, whose, and where to read on."""
    where = [pick(n, language) for n in (alert.municipality, alert.site, alert.asset)]
    place = (" " if language == "ja" else ", ").join(dict.fromkeys(where if language == "ja" else reversed(where)))
    how_bad = level_word(alert.level, language)
    priority = (
        f"{word('priority', language)}{' ' if language == 'en' else ''}{pick(PRIORITIES[alert.priority], language)}"
    )
    rows = [
        ("what", pick(alert.what, language)),
        ("where", f"{place} ({class_word(alert.class_, language)})"),
        ("since", local_time(alert.since_us, alert.time_zone, language)),
        ("until", local_time(alert.until_us, alert.time_zone, language) if alert.until_us is not None else ""),
        ("level", f"{how_bad} ({priority})"),
        ("why", _why(alert, language)),
        ("action", pick(alert.action, language)),
        ("owner", pick(alert.organisation, language)),
        ("link", asset_link(console_url, alert.asset_id)),
        ("picture", picture_link(console_url, alert.pictured) if alert.pictured is not None else ""),
    ]
    colon = "：" if language == "ja" else ": "
    lines = [f"■ {how_bad} {pick(alert.asset, language)}"]
    lines += [f"{word(name, language)}{colon}{text}" for name, text in rows if text]
    return "\n".join(lines)


def local_time(at_us: int, time_zone: str, language: Language) -> str:
    """A time where the asset is, with its zone's name."""
    moment = to_datetime(at_us).astimezone(ZoneInfo(time_zone))
    if language == "ja":
        return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M} ({moment:%Z})"
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def shown_unit(ucum: str) -> str:
    """A UCUM code as people read it: without the brackets of its annotations."""
    known = {"Cel": "℃", "u{strain}": "µε", "deg": "°", "1": "", "{bool}": ""}
    return known.get(ucum, ucum.strip("[]{}"))


def _why(alert: AlertText, language: Language) -> str:
    """The cause, then what the evidence names: value, limit, what was expected, the source."""
    parts = [pick(CAUSES[alert.cause], language)]
    unit = shown_unit(str(alert.evidence.get("unit") or ""))
    for key in ("value", "limit", "expected"):
        value = alert.evidence.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            parts.append(f"{word(key, language)} {value:.4g}{' ' + unit if unit else ''}")
    if source := alert.evidence.get("source"):
        parts.append(f"{word('source', language)} {source}")
    if alert.confidence is not None:
        parts.append(f"{word('confidence', language)} {alert.confidence:.0%}")
    if alert.explains:
        parts.append(word("also", language).format(alert.explains))
    return ("、" if language == "ja" else "; ").join(parts)


def _worst_first(alert: AlertText) -> tuple[int, int]:
    return -alert.level, alert.since_us


def _headline(name: str, count: int, language: Language) -> str:
    return f"== {word(name, language)}{f' {count}件' if language == 'ja' else f': {count}'} =="


def _line(alert: AlertText, language: Language) -> str:
    since = local_time(alert.since_us, alert.time_zone, language)
    until = local_time(alert.until_us, alert.time_zone, language) if alert.until_us is not None else ""
    who = f"{level_word(alert.level, language)} {pick(alert.asset, language)}"
    return f"・{who} {since}–{until} {pick(alert.what, language)}"
