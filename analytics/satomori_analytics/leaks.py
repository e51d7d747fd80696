"""What a district's leak says to people: how large, since when, which sensors bear it out, what to do first. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from satomori_analytics.detectors.leak import Leak, LeakStep, Verdict
from satomori_analytics.episodes import Episode, Stretch, Subject, stretches
from satomori_analytics.pictures import channel, picture
from satomori_analytics.playbook import LEVELS
from satomori_analytics.sentences import amount
from satomori_analytics.views import Quantity
from satomori_analytics.watching import Rows, Watched
from satomori_core.vocabulary import Cause, Level

# (Japanese, English): what the pressures say to it, and what therefore comes first.
_SAID: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        "fell": ("水圧も下がっています", "the pressures fell as well"),
        "rose": ("水圧が上がっており、その分の増加を含みます", "the pressures rose, which is part of it"),
        "unmoved": (
            "水圧は下がっていません。流量計の異常か使用量の変化かもしれません",
            "the pressures did not fall: perhaps the meter, or other use",
        ),
        "unclear": ("水圧からは判断できません", "the pressures can't tell"),
    }
)
_FIRST: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        "rose": ("減圧弁の設定を先に確かめてください。", "Check the reducing valve's setting first. "),
        "unmoved": (
            "流量計の点検と大口使用の確認を先に行ってください。",
            "Check the flow meter and the large users first. ",
        ),
    }
)


_PROPORTION = (
    "増加は使用量に比例しており（夜間は少ない）、漏水よりも流量計の異常か使用量の増加と考えられます",
    "it rises in proportion to the use, little by night: rather the meter, or more use, than a leak",
)
_ANEW = (
    "流入量の平常値を学習し直しているため、漏水を見つけられません",
    "the usual inflow is being learned anew, so that no leak can be told",
)
_MEANWHILE = (
    "区画の変更や流量計の交換があったか確かめ、学習が終わるまでは夜間最小流量を見てください。",
    "Check whether the district or its meter was changed; until it is learned, look at the night flow.",
)


def learning(watched: Watched) -> str:
    """The fingerprint of what says that a district is being learned anew."""
    return f"{watched.name}_anew:{watched.key}"


def judge_leaks(watched: Watched, channels: Sequence[Quantity], rows: Rows) -> list[Episode]:
    """Episodes from the first channel's rise; each begins where its leak is thought to have begun.

    And one while the usual is learned anew, after a silence or a rise that stayed: somebody should know.
    """
    detector = watched.build()
    if not isinstance(detector, LeakStep):
        raise TypeError(f"{watched.watch.detector} does not find leaks")
    alarm = detector.score(rows.at_us, rows.values).alarm[:, 0]
    found = [_episode(watched, channels, rows, detector, stretch) for stretch in stretches(alarm)]
    since_us = detector.anew_since_us
    return found if since_us is None else [*found, _anew(watched, rows, detector, since_us)]


def _anew(watched: Watched, rows: Rows, detector: LeakStep, since_us: int) -> Episode:
    days = detector.learn_h // 24
    subject = Subject(
        fingerprint=learning(watched), kind=watched.watch.detector, cause=Cause.ASSET, asset=watched.asset.id,
        place=watched.asset.place, detector=f"{watched.watch.detector}:{watched.name}", wrong={Level.WATCH: _ANEW},
        advice={Level.WATCH: _MEANWHILE},
    )  # fmt: skip
    return Episode(
        subject=subject,
        level=Level.WATCH,
        since_us=since_us,
        until_us=None,
        seen_us=int(rows.at_us[-1]),
        confidence=1.0,
        figures=(f"学習には{days}日かかります", f"it takes {days} days"),
        evidence={"source": watched.watch.source, "on": {"score": since_us}},
    )


def _episode(
    watched: Watched, channels: Sequence[Quantity], rows: Rows, detector: LeakStep, stretch: Stretch
) -> Episode:
    leak = detector.leaks[stretch.last]
    if leak is None:
        raise AssertionError
    level = max(LEVELS[watched.watch.level], _level(leak, detector))
    watch, (first_ja, first_en) = watched.watch, _FIRST.get("unmoved" if leak.in_proportion else leak.verdict, ("", ""))
    subject = Subject(
        fingerprint=watched.fingerprint, kind=watch.detector, cause=Cause.ASSET, asset=watched.asset.id,
        place=watched.asset.place, detector=f"{watch.detector}:{watched.name}", wrong={level: (watch.ja, watch.en)},
        advice={level: (first_ja + watch.advice_ja, first_en + watch.advice_en)},
    )  # fmt: skip
    return Episode(
        subject=subject,
        level=level,
        since_us=leak.since_us,
        until_us=int(rows.at_us[stretch.last + 1]) if stretch.ended else None,
        seen_us=int(rows.at_us[stretch.last]),
        confidence=round(leak.z**2 / (leak.z**2 + detector.limit**2), 3),
        figures=_figures(leak, channels),
        evidence=_evidence(leak, channels, watch.source)
        | {"picture": _picture(leak, channels[0], rows, detector, stretch)},
    )


def _picture(leak: Leak, inflow: Quantity, rows: Rows, detector: LeakStep, stretch: Stretch) -> dict[str, Any]:
    """The inflow and what is usual of it; marked from where the leak is thought to have begun."""
    since = min(int(np.searchsorted(rows.at_us, leak.since_us)), stretch.first)
    marked = replace(stretch, first=since)
    shown = channel(inflow, rows.at_us, rows.values[:, 0], marked, detector.usual_band(rows.at_us))
    return picture(rows.at_us, marked, [shown], [])


def _level(leak: Leak, detector: LeakStep) -> Level:
    """By its share of the mean inflow; what pressures or the day's pattern contradict is worth a look and no more."""
    share = leak.size / leak.mean if leak.mean > 0 else 0.0
    if leak.verdict == "unmoved" or leak.in_proportion or share < detector.warning_share:
        return Level.WATCH
    return Level.DANGER if share >= detector.danger_share else Level.WARNING


def _figures(leak: Leak, channels: Sequence[Quantity]) -> tuple[str, str]:
    unit = channels[0].unit
    size, low, high = (amount(value, unit) for value in (leak.size, leak.low, leak.high))
    shares = [100 * leak.size / max(usual, 1e-9) for usual in (leak.mean, leak.night)]
    said_ja, said_en = _PROPORTION if leak.in_proportion else _SAID[leak.verdict]
    fallen = [(channels[p.channel], p) for p in leak.pressures if p.z <= -3]
    ja = "、".join(f"{_sensor(q)[0]} {amount(p.change, q.unit)}" for q, p in fallen)
    en = ", ".join(f"{_sensor(q)[1]} {amount(p.change, q.unit)}" for q, p in fallen)
    return (
        f"推定漏水量 {size}（90 %の幅 {low}〜{high}）、平均流入量の{shares[0]:.0f} %、"
        f"ふだんの夜間最小流量の{shares[1]:.0f} %。{said_ja}" + (f"（{ja}）" if ja else ""),
        f"About {size} (90 % band {low} to {high}), {shares[0]:.0f} % of the mean inflow, {shares[1]:.0f} % of the "
        f"usual night flow; {said_en}" + (f" ({en})" if en else ""),
    )


def _sensor(quantity: Quantity) -> tuple[str, str]:
    stream = quantity.stream
    return (stream.device_name, stream.device_name_en) if stream else (quantity.ja, quantity.en)


def _evidence(leak: Leak, channels: Sequence[Quantity], source: str) -> dict[str, Any]:
    return {
        "size": leak.size, "size_low": leak.low, "size_high": leak.high, "unit": channels[0].unit,
        "usual_night": leak.night, "usual_mean": leak.mean, "z": round(leak.z, 2), "began_us": leak.since_us,
        "pressures": leak.verdict, "in_proportion": leak.in_proportion,
        "pressure_changes": {
            _sensor(channels[p.channel])[1]: {"change": p.change, "z": round(p.z, 2)} for p in leak.pressures
        },
        "source": source, "on": {"score": leak.since_us},
    }  # fmt: skip
