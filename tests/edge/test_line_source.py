"""Lines over a real port, text and NMEA alike: what is wrong is counted, and commands go between the readings."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from satomori_core.errors import UnavailableError
from satomori_edge.settings import NmeaField, NmeaSettings, TextField, TextSettings
from satomori_edge.sources.line_source import LineSource
from satomori_edge.sources.nmea import NmeaSource
from satomori_edge.sources.text import TextSource
from support.edge import until
from support.patience import PATIENCE_S
from support.serial import Cable, cable
from support.sources import reading

GOOD = {"text": b"$A,21.5*75\r\n", "nmea": b"$WIXDR,C,21.5,C,0*78\r\n"}


def make(kind: str, port: Path) -> LineSource:
    if kind == "nmea":
        fields = (NmeaField("XDR", "air_temperature", transducer="C,0", unit="Cel"),)
        return NmeaSource(NmeaSettings(str(port), "a", fields))
    text = TextSettings(str(port), (TextField(1, "air_temperature", "Cel"),), device="a", checksum="xor", start="$")
    return TextSource(text)


async def is_open(source: LineSource) -> None:
    """What is said before is lost: opening a port empties it."""
    await until("the port open", lambda: source._jobs._line)


@pytest.mark.parametrize("kind", ["text", "nmea"])
async def test_a_wrong_checksum_is_counted_and_told_once_and_never_a_reading(kind: str, tmp_path: Path) -> None:
    good = GOOD[kind]
    with cable(tmp_path) as line, structlog.testing.capture_logs() as logged:
        source = make(kind, line.near)
        async with reading(source) as got:
            await is_open(source)
            for said in (good, good.replace(b"21.5", b"22.5"), b"\r\n", good.replace(b"*", b"*0"), good):
                await asyncio.to_thread(line.disturb, said)
            await until("both good ones", lambda: len(got) == 2)
    assert [r.value for r in got] == [21.5, 21.5]
    assert source.errors == 2
    assert [record["reason"] for record in logged if record["event"] == "line is wrong"] == ["checksum"]


@asynccontextmanager
async def node(line: Cable, answers: dict[bytes, bytes]) -> AsyncIterator[None]:
    """At the far end: to each command what it says."""
    port = os.open(line.far, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    loop = asyncio.get_running_loop()
    loop.add_reader(port, lambda: os.write(port, answers[os.read(port, 100)]))
    try:
        yield
    finally:
        loop.remove_reader(port)
        os.close(port)


async def test_a_command_has_its_answer_and_no_reading_is_lost_by_it(tmp_path: Path) -> None:
    """The node says a reading before and after; its line's end, CR LF, is no part of the answer."""
    good = GOOD["text"]
    with cable(tmp_path) as line:
        source = make("text", line.near)
        jobs = source.text_line(str(line.near))
        assert jobs is not None
        async with node(line, {b"GATE 40\n": good + b"GATE=40\r\n" + good, b"GATE 50\n": good}), reading(source) as got:
            await is_open(source)
            match = await jobs.do(lambda wire: wire.exchange(b"GATE 40\n", re.compile(r"GATE=(\d+)"), PATIENCE_S))
            assert match[1] == "40"
            with pytest.raises(UnavailableError):
                await jobs.do(lambda wire: wire.exchange(b"GATE 50\n", re.compile(r"GATE=(\d+)"), 0.2))
            await until("the readings", lambda: len(got) == 3)
        with pytest.raises(UnavailableError, match="away"):
            await jobs.do(lambda wire: wire.exchange(b"GATE 40\n", re.compile("x"), 1))
    assert {r.value for r in got} == {21.5}
    assert source.errors == 0
