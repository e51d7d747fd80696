"""Ingest on several brokers at once: a third party's is read beside our own, and neither disturbs the other."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from satomori_core.broker import BrokerAddress
from satomori_core.clock import SECOND_US, now_us, to_iso
from satomori_core.errors import SettingsError
from satomori_ingest.lanes import Lanes, WaitingLane
from satomori_ingest.protocol import Message
from satomori_ingest.settings import load_ingest
from satomori_ingest.subscribing import Sessions
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import message
from support.mosquitto import Mosquitto, mosquitto
from support.patience import PATIENCE_S
from support.small_edge import SmallEdge

FORMAT = """
[[ingest.things_stack]]
gateway = "gw-1"
fields = [{ path = "temperature", metric = "air_temperature", unit = "Cel" }]
"""
TOPIC = "v3/fields@ttn/devices/dev-1/up"


def table(url: str, *, protocol: str = "3.1.1", qos: int = 1, more: str = "") -> str:
    return f"""
[[ingest.broker]]
name = "things"
url = "{url}"
protocol = "{protocol}"
qos = {qos}
carries = ["things_stack"]
{more}
"""


def uplink(at_us: int, temperature: float = 21.5, padding: int = 0) -> str:
    """As The Things Stack sends one, in short."""
    return json.dumps(
        {
            "end_device_ids": {"device_id": "dev-1"},
            "uplink_message": {"received_at": to_iso(at_us), "decoded_payload": {"temperature": temperature}},
            "padding": " " * padding,
        }
    )


def publish(broker: Mosquitto, *payloads: str, qos: int, ca: Path | None = None) -> None:
    """By a client of another make, which speaks 3.1.1: one message a line."""
    command = ["mosquitto_pub", "-V", "mqttv311", "-h", broker.host, "-p", str(broker.port)]
    command += ["-u", "app@ttn", "-P", "key", "-t", TOPIC, "-q", str(qos), "-l"]
    command += ["--cafile", str(ca)] if ca else []
    subprocess.run(command, input="\n".join(payloads).encode() + b"\n", check=True, timeout=PATIENCE_S)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself: (key, certificate)."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    words += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run(words.split(), check=True, capture_output=True)
    return key, certificate


def stored(ingest: IngestProcess) -> int:
    counts = ingest.stores.ledger.reading_counts()
    return len(ingest.stores.observations.read(list(counts), 0, 2**60).value) if counts else 0


def on_the_way(port: int) -> int:
    """Bytes that either end of a connection with `port` holds and the other program has not read (proc(5), net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    queues = [row[4].split(":") for row in rows if f"{port:04X}" in (row[1][-4:], row[2][-4:]) and row[3] == "01"]
    return sum(int(sent, 16) + int(received, 16) for sent, received in queues)


@dataclass
class Two:
    main: Mosquitto
    things: Mosquitto
    ingest: IngestProcess

    async def until_stored(self, number: int) -> None:
        await asyncio.to_thread(self.ingest.wait, f"{number} stored", lambda: stored(self.ingest) >= number)
        assert stored(self.ingest) == number

    async def until_read(self, number: int) -> None:
        """Until ingest has read so many messages of the third party's: none is in the broker, none on the way."""
        log = self.things.log
        await asyncio.to_thread(self.ingest.wait, "sent", lambda: log().count("Sending PUBLISH to satomori") >= number)
        await asyncio.to_thread(self.ingest.wait, "read", lambda: not on_the_way(self.things.port))

    def lost(self) -> list[str]:
        return [
            line for line in self.ingest.log().splitlines() if "broker connection lost" in line and "things" in line
        ]


@pytest.fixture(params=["3.1.1", "5"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    """A main broker, and one of a third party with a password, to which devices speak 3.1.1."""
    need("mosquitto_passwd", "mosquitto_pub")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "app@ttn", "key"], check=True)
    passwords.chmod(0o644)
    (tmp_path / "secret").write_text("key\n")
    for folder in ("main", "things", "ingest"):
        (tmp_path / folder).mkdir()
    more = f'username = "app@ttn"\npassword = {{ file = "{tmp_path / "secret"}" }}'
    with (
        mosquitto(tmp_path / "main") as main,
        mosquitto(
            tmp_path / "things", persistence=True, anonymous=False, more=[f"password_file {passwords}", "log_type all"]
        ) as things,
    ):
        settings = f'[broker]\nurl = "{main.url}"\n' + FORMAT + table(things.url, protocol=request.param, more=more)
        with ingest_process(tmp_path / "ingest", settings, sessions=5) as ingest:
            yield Two(main, things, ingest)


@pytest.mark.servers
async def test_a_third_partys_uplinks_are_stored_beside_our_own(two: Two) -> None:
    """Of either quality of service; The Things Stack publishes with 0."""
    start_us = now_us() - 100 * SECOND_US
    uplinks = [uplink(start_us + i * SECOND_US) for i in range(50)]
    for qos in (0, 1):
        await asyncio.to_thread(publish, two.things, *uplinks[qos::2], qos=qos)
    await SmallEdge(two.main.port, 100).run()
    await two.until_stored(150)
    publish(two.main, uplink(start_us), qos=1)  # nobody asked the main broker for this
    await two.until_stored(150)


@pytest.mark.servers
async def test_either_broker_may_be_away_while_the_other_goes_on(two: Two) -> None:
    """It is told once that it is away and once that it is back; what a persistent broker kept is not lost."""
    start_us = now_us() - 1000 * SECOND_US
    two.main.kill()
    await asyncio.to_thread(publish, two.things, *(uplink(start_us + i * SECOND_US) for i in range(20)), qos=1)
    await two.until_stored(20)
    two.main.start()
    two.things.kill()
    await SmallEdge(two.main.port, 100).run()
    await asyncio.to_thread(two.ingest.wait, "told", two.lost)
    await asyncio.sleep(1.5)  # several attempts to connect
    assert len(two.lost()) == 1, two.lost()
    two.things.start()
    await asyncio.to_thread(publish, two.things, *(uplink(start_us + i * SECOND_US) for i in range(20, 40)), qos=1)
    await two.until_stored(140)
    assert two.ingest.starts == 1


@pytest.mark.servers
async def test_a_killed_ingest_is_sent_again_what_it_had_not_stored(two: Two) -> None:
    """The write is held up, so nothing is acknowledged; after kill -9 the broker sends all again, stored once each."""
    start_us = now_us() - 1000 * SECOND_US
    publish(two.things, uplink(start_us), qos=1)
    await two.until_stored(1)
    with closing(sqlite3.connect(two.ingest.folder / "observations.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        publish(two.things, *(uplink(start_us + i * SECOND_US) for i in range(1, 30)), qos=1)
        await asyncio.sleep(0.5)
        two.ingest.kill()
        other.execute("ROLLBACK")
    assert stored(two.ingest) == 1
    await asyncio.to_thread(two.ingest.start)
    await two.until_stored(30)
    # And what was acknowledged does not come again.
    two.ingest.stop()
    before = two.ingest.log().count("batch stored")
    await asyncio.to_thread(two.ingest.start)
    await asyncio.sleep(0.5)
    assert two.ingest.log().count("batch stored") == before


@pytest.mark.servers
async def test_a_stop_stores_first_what_would_not_come_again(two: Two) -> None:
    """With QoS 0, while the write is held up: one batch is being stored, one is drafted, and more has come."""
    start_us = now_us() - 1000 * SECOND_US
    with closing(sqlite3.connect(two.ingest.folder / "observations.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for first in range(0, 600, 150):
            publish(two.things, *(uplink(start_us + i * SECOND_US) for i in range(first, first + 150)), qos=0)
            await two.until_read(first + 150)
        stopping = asyncio.create_task(asyncio.to_thread(two.ingest.stop))
        await asyncio.sleep(0.2)
        other.execute("ROLLBACK")
    assert await stopping == 0
    assert stored(two.ingest) == 600


@pytest.mark.servers
async def test_a_broker_that_refuses_us_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    with mosquitto(tmp_path) as main, mosquitto(tmp_path / "things", anonymous=False) as things:
        settings = f'[broker]\nurl = "{main.url}"\n' + FORMAT + table(things.url)
        with ingest_process(tmp_path, settings) as ingest:
            await SmallEdge(main.port, 20).run()
            await asyncio.to_thread(ingest.wait, "told", lambda: "broker refused us" in ingest.log())


@pytest.mark.servers
async def test_the_main_broker_may_be_spoken_to_in_the_older_version(tmp_path: Path) -> None:
    """One setting: lanes, acknowledgements and status are the same."""
    with (
        mosquitto(tmp_path) as broker,
        ingest_process(tmp_path, f'[broker]\nurl = "{broker.url}"\n[ingest]\nprotocol = "3.1.1"\n') as ingest,
    ):
        edge = SmallEdge(broker.port, 3000)
        sending = asyncio.create_task(edge.run())
        while edge.acknowledged_count < 1000:
            await asyncio.sleep(0.01)
        ingest.kill()
        await asyncio.to_thread(ingest.start)
        await sending
        [audit] = ingest.stores.ledger.audit()
        assert (list(audit.stored), list(audit.gaps)) == ([(1, 3000)], [])


@pytest.mark.servers
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_by_tls_and_slowly_where_more_comes_than_we_hold(tmp_path: Path, protocol: str) -> None:
    """Reading pauses at the limit and goes on: everything arrives, in whatever pieces TLS brings it."""
    need("openssl", "mosquitto_pub")
    key, certificate = make_certificate(tmp_path)
    start_us = now_us() - 1000 * SECOND_US
    uplinks = [uplink(start_us + i * SECOND_US, padding=60_000) for i in range(60)]
    (tmp_path / "things").mkdir()
    more = [f"certfile {certificate}", f"keyfile {key}"]
    with mosquitto(tmp_path) as main, mosquitto(tmp_path / "things", more=more) as things:
        settings = f'[broker]\nurl = "{main.url}"\n[ingest]\nheld_bytes_max = 100000\n' + FORMAT
        url = things.url.replace("mqtt:", "mqtts:")
        settings += table(url, protocol=protocol, more=f'ca_file = "{certificate}"')
        with ingest_process(tmp_path, settings, sessions=5) as ingest:
            await asyncio.to_thread(publish, things, *uplinks, qos=1, ca=certificate)
            await asyncio.to_thread(ingest.wait, "all stored", lambda: stored(ingest) == len(uplinks))


def lanes_of(path: Path) -> list[WaitingLane]:
    """The fresh lanes of these settings, with their sessions."""

    def nowhere(*_: object) -> None: ...

    settings, address, lanes = load_ingest(path), BrokerAddress("127.0.0.1", 1), Lanes(1.0, 1000)
    Sessions(settings, address, lanes, on_presence=nowhere, on_replies=nowhere, on_statuses=nowhere)
    return list(lanes.fresh)


async def test_a_third_partys_broker_may_not_speak_for_our_gateways(tmp_path: Path) -> None:
    """Whatever it sends beyond the filters that it carries is let go of, unread."""
    path = tmp_path / "satomori.toml"
    path.write_text(FORMAT + table("mqtt://127.0.0.1:1"), encoding="utf-8")
    lane = lanes_of(path)[1]
    foreign = message(b"[]", "satomori/v1/gw-1/telemetry")
    own = message(uplink(now_us()).encode(), TOPIC)
    taken: list[Message] = []
    lane.session.release = taken.extend  # type: ignore[assignment,method-assign]  # what is released is looked at here
    lane.session._on_messages([foreign, own])
    assert list(lane.waiting) == [own]
    assert taken == [foreign]


def test_workers_share_what_has_no_state_and_one_of_them_reads_sparkplug(tmp_path: Path) -> None:
    """A broker that only one worker connects to has nothing to share."""
    path = tmp_path / "satomori.toml"
    tables = FORMAT + '[[ingest.zigbee2mqtt]]\n[[ingest.sparkplug]]\nworker = "2"\n'
    tables += table("mqtt://127.0.0.1:1", more='worker = "2"')

    def filters(worker: str) -> list[list[str]]:
        path.write_text(f'[ingest]\nshare = "x"\nworker = "{worker}"\n{tables}', encoding="utf-8")
        return [list(lane.session._subscription.filters) for lane in lanes_of(path)]

    [first] = filters("1")
    assert first == ["$share/x/satomori/v1/+/telemetry", "$share/x/zigbee2mqtt/#"]
    second, things = filters("2")
    assert second[:2] == first
    assert [pattern for pattern in second[2:] if not pattern.startswith("spBv1.0/+/")] == []
    assert len(second) == 8
    assert things == ["v3/+/devices/+/up"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (table("mqtt://h"), "carries things_stack"),
        (FORMAT + table("mqtt://h") + table("mqtt://i"), "twice"),
        (FORMAT + table("mqtt://h").replace('"things"', '"status"'), "not telemetry"),
        (FORMAT + table("mqtt://h").replace('["things_stack"]', "[]"), "carries nothing"),
        ('[ingest]\nshare = "x"\n' + FORMAT + table("mqtt://h", more='client_id = "c"'), "client_id"),
        (FORMAT + table("mqtt://h", protocol="3.1"), "protocol"),
        (FORMAT + table("mqtt://h", qos=2), "qos"),
    ],
)
def test_settings_that_can_not_work_are_refused(tmp_path: Path, settings: str, complaint: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(settings, encoding="utf-8")
    with pytest.raises(SettingsError, match=complaint):
        load_ingest(path)
