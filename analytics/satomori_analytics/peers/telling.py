"""What a comparison says to people, and the finding that it makes where an asset is unlike its like. Pure."""

import math
from typing import Any

from satomori_analytics.episodes import Episode, Subject
from satomori_analytics.peers.comparing import Difference
from satomori_analytics.peers.region import DAYS, Comparison, Peer
from satomori_analytics.pictures import scale
from satomori_analytics.sentences import amount
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Cause, Level

_WORDS = {
    "built_year": ("建設年", "year"), "material": ("材料", "material"), "span_m": ("支間", "span"),
    "climate_c": ("気候", "climate"), "diameter_m": ("管径", "diameter"), "variety": ("品種", "variety"),
    "crop": ("作物", "crop"), "power_kw": ("出力", "power"), "capacity_m3": ("貯水量", "capacity"),
    "connections": ("給水戸数", "connections"), "persons": ("人槽", "persons"), "herd": ("頭数", "herd"),
}  # fmt: skip
# An open finding ends only when the chance is so many times its limit, lest it come and go.
_HYSTERESIS = 4.0


def fingerprint(found: Comparison) -> str:
    return f"peers:{found.asset}:{found.metric}:{found.aspect}"


def is_unlike(found: Comparison, p_limit: float, *, standing: bool) -> bool:
    return found.difference is not None and found.difference.p < p_limit * (_HYSTERESIS if standing else 1.0)


def sentence(found: Comparison) -> tuple[str, str]:
    """(Japanese, English): its value, theirs, how many they are and in what they are alike."""
    metric = catalogue()[found.metric]
    what = (metric.ja, metric.en)
    if found.aspect == "change":
        what = (f"{metric.ja}の{DAYS}日間の変化", f"change of {metric.en} over {DAYS} days")
    if found.days < found.days_least:
        return (
            f"{what[0]}: {found.days_least}日分の値が要ります（いまは{found.days}日分）",
            f"{what[1]}: needs {found.days_least} days of values (has {found.days})",
        )
    if found.difference is None:
        return (f"{what[0]}: 比べられる似た資産が3つ未満です", f"{what[1]}: fewer than three like it to compare with")
    shown = [_shown(found, value) for value in (found.difference.value, found.difference.low, found.difference.high)]
    alike = [_WORDS.get(name, (name, name)) for name in found.alike]
    ja = "・".join(["種別", *(each[0] for each in alike)])
    en = ", ".join(["class", *(each[1] for each in alike)])
    count, owners = found.difference.members, found.owners
    return (
        f"{what[0]} {shown[0]}（{ja}の似た{count}資産・{owners}団体では {shown[1]}〜{shown[2]}）",
        f"{what[1]} {shown[0]} ({shown[1]} to {shown[2]} for {count} alike in {en}, of {owners} owners)",
    )


def _shown(found: Comparison, value: float) -> str:
    unit = catalogue()[found.metric].unit
    if found.scale == "plain":
        return amount(value, unit)
    if found.aspect == "level":
        return amount(math.exp(value), unit)
    return f"{100 * math.expm1(value):+.3g}%"


def _drawn(found: Comparison, difference: Difference) -> dict[str, Any]:
    """The same numbers as in the sentence, on a line."""
    metric = catalogue()[found.metric]
    ratio = found.scale != "plain" and found.aspect == "change"

    def plain(value: float) -> float:
        return value if found.scale == "plain" else 100 * math.expm1(value) if ratio else math.exp(value)

    ja, en = (metric.ja, metric.en)
    if found.aspect == "change":
        ja, en = f"{ja}の{DAYS}日間の変化", f"change of {en} over {DAYS} days"
    band = plain(difference.low), plain(difference.high)
    named = (ja, en, "%" if ratio else metric.unit)
    return scale(named, plain(difference.value), band, ("似た資産では", "for its like"))


def episode(peer: Peer, found: Comparison, at_us: int) -> Episode:
    """That an asset is unlike its like, seen at the end of a day."""
    if found.difference is None:
        raise AssertionError
    metric, difference = catalogue()[found.metric], found.difference
    subject = Subject(
        fingerprint=fingerprint(found),
        kind="peers",
        cause=Cause.ASSET,
        asset=found.asset,
        place=peer.place,
        detector="peers",
        wrong={Level.WATCH: (f"{metric.ja}が似た資産と違います", f"{metric.en} is unlike that of its like")},
        advice={Level.WATCH: (
            "気温と雨の影響は除いてあります。次の巡回で現地とセンサーを確認し、理由が分かれば台帳に記録してください。",
            "Temperature and rain are allowed for. Look at it and its sensor on the next round; note a known reason.",
        )},
        datastream=peer.streams[found.metric],
    )  # fmt: skip
    evidence = {
        "metric": found.metric, "aspect": found.aspect, "scale": found.scale, "value": difference.value,
        "expected": difference.middle, "expected_low": difference.low, "expected_high": difference.high,
        "p": difference.p, "members": difference.members, "owners": found.owners, "alike": list(found.alike),
        "picture": {"from_us": at_us, "until_us": at_us, "channels": [_drawn(found, difference)], "limits": []},
        "source": "prediction interval of a normal sample (Student's t), weather regressed out",
    }  # fmt: skip
    return Episode(
        subject=subject, level=Level.WATCH, since_us=at_us, until_us=None, seen_us=at_us,
        confidence=round(1 - difference.p, 6), figures=sentence(found), evidence=evidence,
    )  # fmt: skip
