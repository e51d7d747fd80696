"""The time: which clock is believed, and what becomes of readings that were taken before it was known."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from campaign.parts import Clock as WallClock
from satomori_core.clock import DAY_US, SECOND_US, now_us
from satomori_core.readings import Reading
from satomori_edge.clock import FIRST_US, Clock
from satomori_edge.outbox import Outbox
from support.edge import Peer, agent, peer, slaves, until
from support.mosquitto import mosquitto
from support.serial import cable

NOON_US = FIRST_US + 300 * DAY_US


@dataclass
class Machine:
    """A gateway that was started a while ago; its clock says 1970, nothing keeps it and nothing has set it."""

    wall_us: int = 0
    boot_us: int = 0
    kept_right: bool = False
    by_hardware: bool = False

    def clock(self) -> Clock:
        one = Clock(
            wall=lambda: self.wall_us,
            since_boot=lambda: self.boot_us,
            kept_right=lambda: self.kept_right,
            by_hardware=lambda: self.by_hardware,
        )
        one.judge()
        return one

    def passes(self, seconds: float) -> None:
        self.wall_us += round(seconds * SECOND_US)
        self.boot_us += round(seconds * SECOND_US)


def test_without_any_evidence_the_time_is_not_known_and_readings_are_on_the_clock_since_boot() -> None:
    machine = Machine(wall_us=NOON_US, boot_us=7 * SECOND_US)
    clock = machine.clock()
    assert not clock.is_known()
    before = clock.now_us()
    assert before < 0
    machine.passes(3)
    assert clock.now_us() - before == 3 * SECOND_US


def test_what_keeps_the_clock_makes_it_known_and_the_start_is_known_with_it() -> None:
    machine = Machine(boot_us=100 * SECOND_US)
    clock = machine.clock()
    machine.wall_us, machine.kept_right = NOON_US, True
    clock.look()
    assert (clock.origin, clock.now_us(), clock.boot_at_us()) == ("system", NOON_US, NOON_US - 100 * SECOND_US)


def test_a_clock_that_says_it_is_1970_is_wrong_whoever_keeps_it() -> None:
    machine = Machine(kept_right=True, by_hardware=True)
    assert not machine.clock().is_known()


def test_ingest_tells_the_time_where_nothing_else_does_and_corrects_it_as_the_clock_drifts() -> None:
    machine = Machine(boot_us=100 * SECOND_US)
    clock = machine.clock()
    clock.learn(NOON_US)
    machine.passes(60)
    assert (clock.origin, clock.now_us()) == ("ingest", NOON_US + 60 * SECOND_US)
    clock.learn(NOON_US + 55 * SECOND_US)
    assert clock.now_us() == NOON_US + 60 * SECOND_US, "a message that was long on its way changes nothing"
    clock.learn(NOON_US + 63 * SECOND_US)
    assert clock.now_us() == NOON_US + 63 * SECOND_US
    for _ in range(16):
        clock.learn(NOON_US + 61 * SECOND_US)
    assert clock.now_us() == NOON_US + 61 * SECOND_US, "but what all say is true"
    assert clock.offset_s() < -86400


def test_a_hardware_clock_is_believed_until_ingest_says_otherwise_and_ntp_always() -> None:
    machine = Machine(wall_us=NOON_US, by_hardware=True)
    clock = machine.clock()
    clock.learn(NOON_US + 10 * SECOND_US)
    assert (clock.origin, clock.now_us()) == ("hardware", NOON_US)
    clock.learn(NOON_US + 100 * SECOND_US)
    assert (clock.origin, clock.now_us()) == ("ingest", NOON_US + 100 * SECOND_US)
    machine.kept_right = True
    clock.look()
    clock.learn(NOON_US + 100 * SECOND_US)
    assert (clock.origin, clock.now_us(), clock.offset_s()) == ("system", NOON_US, -100.0)


def test_steps_are_seen_and_a_step_into_the_past_takes_the_trust() -> None:
    machine = Machine(wall_us=NOON_US, kept_right=True)
    clock = machine.clock()
    machine.wall_us += 5 * SECOND_US
    clock.look()
    assert clock.offset_s() == 5.0
    machine.wall_us = 0
    clock.look()
    assert not clock.is_known()


# ---------------------------------------------------------------------- in the outbox


def opened(path: Path | None, boot: str) -> Outbox:
    return Outbox(path, readings_max=100_000, bytes_max=10**8, boot=boot)


def put(outbox: Outbox, clock: Clock, values: range, metric: str = "rain") -> None:
    for value in values:
        outbox.put([Reading("a", metric, clock.now_us() + value, float(value))])


def kept(outbox: Outbox) -> list[tuple[int, int, float]]:
    return [(row.seq, row.reading.observed_at_us, row.reading.value) for row in outbox.peek(0, None, 10**6)]


def test_readings_from_before_the_time_was_known_are_stamped_also_by_a_later_life_of_the_same_boot(
    tmp_path: Path,
) -> None:
    """Taken 50 s and 20 s before that; nothing that came after them goes before them."""
    machine = Machine(boot_us=50 * SECOND_US)
    clock = machine.clock()
    one = opened(tmp_path / "o.sqlite", "boot-1")
    put(one, clock, range(3))
    one.close()
    machine.passes(30)
    one = opened(tmp_path / "o.sqlite", "boot-1")
    put(one, machine.clock(), range(3, 5))
    one.put([Reading("b", "rain", NOON_US, 5.0)])  # by the device's own clock
    assert (one.count, kept(one), one.holds) == (6, [], True)
    machine.passes(20)
    clock.learn(NOON_US)
    while one.stamp(clock.boot_at_us()):
        pass
    taken = [NOON_US - 50 * SECOND_US + i for i in range(3)] + [NOON_US - 20 * SECOND_US + i for i in (3, 4)]
    assert kept(one) == [*((i + 1, at_us, float(i)) for i, at_us in enumerate(taken)), (6, NOON_US, 5.0)]
    assert not one.holds
    assert not one.losses(10)
    one.close()


def test_what_a_reboot_cut_off_from_all_true_time_is_told_as_lost(tmp_path: Path) -> None:
    one = opened(tmp_path / "o.sqlite", "boot-1")
    one.put([Reading("b", "rain", NOON_US, 0.0)])
    put(one, Machine().clock(), range(1, 4))
    one.close()
    one = opened(tmp_path / "o.sqlite", "boot-2")
    clock = Machine(boot_us=9 * SECOND_US).clock()
    put(one, clock, range(4, 6))
    clock.learn(NOON_US)
    while one.stamp(clock.boot_at_us()):
        pass
    assert [(seq, value) for seq, _, value in kept(one)] == [(1, 0.0), (5, 4.0), (6, 5.0)]
    assert [(x.loss.first, x.loss.last, x.loss.reason) for x in one.losses(9)] == [(2, 4, "clock")]
    one.close()


def test_many_are_stamped_in_small_steps_and_times_stay_unique(tmp_path: Path) -> None:
    clock = Machine(boot_us=5000 * SECOND_US).clock()
    one = opened(tmp_path / "o.sqlite", "boot-1")
    one.put([Reading("a", "rain", NOON_US + 7, 9.0)])
    one.put([Reading("a", "rain", clock.now_us() + i, float(i)) for i in range(5000)])
    clock.learn(NOON_US)
    steps = 1
    while one.stamp(clock.boot_at_us()):
        steps += 1
    assert steps == 3
    times = [at_us for _, at_us, _ in kept(one)]
    assert len(set(times)) == len(times) == 5001
    one.close()


# ---------------------------------------------------------------------- a gateway that believes it is 1970


@pytest.fixture
def past(tmp_path: Path) -> tuple[str, ...]:
    """What starts a program in 1970; only its wall clock, all others run as they do."""
    wall_clock = WallClock(tmp_path)
    if not wall_clock.environment:
        pytest.skip("no C compiler (apt-get install g++)")
    wall_clock.step(86_400 - now_us() // SECOND_US)
    return "env", *(f"{name}={value}" for name, value in wall_clock.environment.items())


@pytest.mark.servers
async def test_a_gateway_without_battery_clock_learns_the_time_from_ingest(
    tmp_path: Path, past: tuple[str, ...]
) -> None:
    """Killed and started again before the time is known: every reading bears the time when it was taken."""
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line:
        config = tmp_path / "edge.toml"
        config.write_text(
            f'[broker]\nurl = "{broker.url}"\n[edge]\ngateway = "gw"\n'
            "uplink = { pack_age_s = 0.05, ack_timeout_s = 1, reconnect_max_s = 0.5 }\n"
            f'[[edge.modbus]]\nport = "{line.near}"\ninterval_s = 0.2\n'
            '[[edge.modbus.slaves]]\nunit = 1\ndevice = "a"\nregisters = [{ address = 0, metric = "rain" }]\n',
            encoding="utf-8",
        )
        async with slaves(line.far, {1: [3]}):
            began_us = now_us()
            with agent(config, tmp_path / "state", under=past) as edge:
                await until("started", lambda: edge.events("connected"))
                await asyncio.sleep(1)
                edge.process.kill()
                edge.process.wait(10)
            assert not edge.events("time")
            with agent(config, tmp_path / "state", under=past) as edge:
                await until("started again", lambda: edge.events("connected"))
                async with peer(Peer("gw"), broker.host, broker.port) as one:
                    await until("readings of both lives", lambda: len(one.readings) > 10 and not one.missing())
                    edge.stop()
            ended_us = now_us()
    [known] = edge.events("time")
    assert known["known_by"] == "ingest"
    assert known["wall_clock_off_s"] > 1e9
    assert not one.missing()
    times = [reading.observed_at_us for _, reading in sorted(one.readings.items())]
    assert times == sorted(times)
    assert began_us - SECOND_US <= times[0] <= times[-1] <= ended_us + SECOND_US
    assert times[-1] - times[0] > 1.5 * SECOND_US
