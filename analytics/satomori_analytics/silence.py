"""Who has gone silent, by the clock: a gateway, else a device behind it, else a sensor of such a device. Pure.

Each is judged by its neighbours that were heard: while a gateway is away, the silence behind it says nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from satomori_analytics.episodes import Episode, Floats, Stretch, Subject, Times
from satomori_analytics.pictures import ahead, channel, lasting, picture
from satomori_analytics.playbook import Playbooks, Sensor
from satomori_analytics.sensitivity import longer_s
from satomori_analytics.sentences import duration_en, duration_ja
from satomori_analytics.views import quantity_of
from satomori_analytics.world import Stream, WatchedGateway, World
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Cause, Level


@dataclass(frozen=True, slots=True)
class Heard:
    """When each datastream was last observed, when anything of it last arrived, when each gateway last gave a sign."""

    streams: Mapping[int, int]
    arrived: Mapping[int, int]
    gateways: Mapping[str, int]


def judge_silence(world: World, playbooks: Playbooks, heard: Heard, now_us: int) -> dict[str, Episode]:
    """What is silent now, by fingerprint. What was never heard is not judged: it may not be installed yet."""
    by_device: dict[str, list[Stream]] = {}
    by_gateway: dict[str, list[Stream]] = {}
    for stream in world.streams.values():
        by_device.setdefault(stream.device, []).append(stream)
        if stream.gateway is not None:
            by_gateway.setdefault(stream.gateway, []).append(stream)
    found = [
        _gateway(world, gateway, by_gateway.get(gateway.id, ()), heard, now_us) for gateway in world.gateways.values()
    ]
    # A gateway is known to have listened until the newest value that came through it.
    newest_us = {name: max(heard.streams.get(s.id, 0) for s in behind) for name, behind in by_gateway.items()}
    for streams in by_device.values():
        witness_us = newest_us.get(streams[0].gateway or "", now_us)
        found += _device(world, playbooks, streams, heard, (min(witness_us, now_us), now_us))
    lasting = (_as_sensitive(world, episode, now_us) for episode in found if episode is not None)
    return {episode.subject.fingerprint: episode for episode in lasting if episode is not None}


def _as_sensitive(world: World, episode: Episode, now_us: int) -> Episode | None:
    """None where it has not been silent for as long as people want it to be."""
    factor = world.assets[episode.subject.asset].factor(episode.subject.fingerprint)
    if factor == 1:
        return episode
    longest_s = longer_s(float(episode.evidence["longest_s"]), factor)
    if now_us - episode.since_us <= longest_s * 1e6:
        return None
    return replace(episode, evidence={**episode.evidence, "longest_s": longest_s})


def longest_pause_s(world: World, playbooks: Playbooks, stream: Stream) -> float:
    asset = world.assets[stream.asset]
    playbook = playbooks.of(asset.class_, asset.municipality)
    rule = playbook.sensor if playbook else Sensor()
    return max(stream.interval_s * rule.silent_factor, rule.silent_least_s)


def _gateway(
    world: World, gateway: WatchedGateway, behind: Iterable[Stream], heard: Heard, now_us: int
) -> Episode | None:  # fmt: skip
    last_us = heard.gateways.get(gateway.id)
    # A gateway without an asset of its own is told of where its first sensor is.
    place = gateway.asset or next((stream.asset for stream in behind), None)
    if last_us is None or place is None or now_us - last_us <= gateway.silent_after_s * 1_000_000:
        return None
    asset = world.assets[place]
    name, name_en = (gateway.name, gateway.name_en)
    subject = Subject(
        fingerprint=f"silent:{gateway.id}",
        kind="silent",
        cause=Cause.GATEWAY,
        asset=asset.id,
        place=asset.place,
        detector="silent:gateway",
        wrong={Level.WARNING: (f"{name}から通信がありません", f"the gateway {name_en} is silent")},
        advice={Level.WARNING: ("電源・通信回線・アンテナを確認してください。未着の観測値は回復後に送られます。",
                                "Check its power, line and antenna. What it has measured comes once it is back.")},
        gateway=gateway.id,
    )  # fmt: skip
    return _episode(
        subject, last_us, now_us, (gateway.silent_after_s, "registry: silent_after_s"), _last(behind, heard)
    )


def _device(
    world: World, playbooks: Playbooks, streams: list[Stream], heard: Heard, times: tuple[int, int]
) -> list[Episode | None]:  # fmt: skip
    """The device, where all of it is silent; else those of its sensors that are. `times`: the witness's, and now."""
    witness_us, now_us = times
    known = [stream for stream in streams if stream.id in heard.streams]
    if not known:
        return []
    pauses = {stream.id: longest_pause_s(world, playbooks, stream) for stream in known}
    last_us = max(heard.streams[stream.id] for stream in known)
    longest_s = max(pauses.values())
    if witness_us - last_us > longest_s * 1e6:
        if any(_arrives(heard, stream, now_us, longest_s) for stream in known):
            return []
        subject, last = _device_subject(world, known), _last(known, heard)
        return [_episode(subject, last_us, now_us, (longest_s, "playbook: sensor"), last)]
    return [
        _episode(
            _sensor_subject(world, stream), heard.streams[stream.id], now_us, (pause_s, "playbook: sensor"), stream
        )
        for stream in known
        if last_us - heard.streams[stream.id] > (pause_s := pauses[stream.id]) * 1e6
        and not _arrives(heard, stream, now_us, pause_s)
    ]


def _arrives(heard: Heard, stream: Stream, now_us: int, longest_s: float) -> bool:
    """What was kept while it was cut off is on its way: old values, but just now."""
    return now_us - heard.arrived.get(stream.id, 0) <= longest_s * 1e6


_CHECK = ("電源・配線・電池・アンテナを確認してください。", "Check its power, wiring, battery and antenna.")


def _device_subject(world: World, streams: list[Stream]) -> Subject:
    first = streams[0]
    wrong = (f"{first.device_name}からデータが届いていません", f"nothing arrives from {first.device_name_en}")
    only = first.id if len(streams) == 1 else None
    return _subject(world, first, f"silent:{first.asset}:{first.device}", wrong, only)


def _sensor_subject(world: World, stream: Stream) -> Subject:
    metric = catalogue().get(stream.metric)
    ja, en = (metric.ja, metric.en) if metric else (stream.metric, stream.metric)
    wrong = (f"{stream.device_name}の{ja}が届いていません", f"{stream.device_name_en}: no {en} arrives")
    return _subject(world, stream, f"silent:{stream.asset}:{stream.metric}:{stream.id}", wrong, stream.id)


def _subject(
    world: World, stream: Stream, fingerprint: str, wrong: tuple[str, str], datastream: int | None
) -> Subject:  # fmt: skip
    return Subject(
        fingerprint=fingerprint,
        kind="silent",
        cause=Cause.SENSOR,
        asset=stream.asset,
        place=world.assets[stream.asset].place,
        detector="silent:sensor",
        wrong={Level.WATCH: wrong},
        advice={Level.WATCH: _CHECK},
        datastream=datastream,
        gateway=stream.gateway,
    )


def _last(streams: Iterable[Stream], heard: Heard) -> Stream | None:
    """Which was heard last: it shows when the silence began."""
    return max(streams, key=lambda stream: (heard.streams.get(stream.id, 0), -stream.id), default=None)


def with_picture(episode: Episode, stream: Stream, at_us: Times, values: Floats) -> Episode:
    """Its last values, and the time since without any, which grows."""
    if not len(at_us):
        return episode
    last = Stretch(len(at_us) - 1, len(at_us) - 1, ended=False)
    shown = ahead(channel(quantity_of(stream), at_us, values, last), episode.seen_us)
    drawn = lasting(picture(at_us, last, [shown], []) | {"until_us": episode.seen_us})
    return replace(episode, evidence={**episode.evidence, "picture": drawn})


def _episode(
    subject: Subject, last_us: int, now_us: int, rule: tuple[float, str], last: Stream | None
) -> Episode:  # fmt: skip
    """`rule`: the longest pause in s, and where that is written; `last`: which datastream shows the silence."""
    longest_s, source = rule
    silence_us = now_us - last_us
    return Episode(
        subject=subject,
        level=next(iter(subject.wrong)),
        since_us=last_us,
        until_us=None,
        seen_us=now_us,
        confidence=0.9,
        figures=(f"無通信 {duration_ja(silence_us)}", f"Silent for {duration_en(silence_us)}"),
        evidence={
            "last_heard_us": last_us,
            "longest_s": longest_s,
            "source": source,
            "last": last.id if last else None,
        },
    )
