"""The edge as a gateway has it: what it weighs on disk and in memory, and what reading 100 registers a second costs."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.edge import Agent, Peer, agent, peer, slaves, until
from support.edge_config import other_sources
from support.figures import Figure, held, plain
from support.gateway_env import make_gateway_environment
from support.mosquitto import mosquitto
from support.serial import cable

SLAVES = 5
REGISTERS = 20  # of each slave, each second
SECONDS = 20.0
RSS_MB_MAX = 45.0
CPU_PERCENT_MAX = 5.0
INSTALLED_MB_MAX = 15.0


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        environment = make_gateway_environment(Path(name) / "venv")
        installed_mb = environment.added_bytes / 1e6
        yield held("edge_installed", installed_mb, "MB, the edge extra with bytecode", "at_most", INSTALLED_MB_MAX)
        yield from asyncio.run(_poll(Path(name), str(environment.python)))


async def _poll(folder: Path, python: str) -> list[Figure]:
    with cable(folder) as line, mosquitto(folder) as broker, other_sources(folder, broker.url) as more:
        values = {unit: list(range(100, 100 + REGISTERS)) for unit in range(1, SLAVES + 1)}
        async with slaves(line.far, values), peer(Peer("gw"), broker.host, broker.port) as one:
            config = _config(folder, broker.url, line.near, more)
            with agent(config, folder / "state", python) as edge:
                return await _measure(edge, one)


async def _measure(edge: Agent, one: Peer) -> list[Figure]:
    await until("the first readings", lambda: len(one.readings) >= SLAVES * REGISTERS)
    began, cpu_s, count = time.monotonic(), edge.cpu_s(), len(one.readings)
    await asyncio.sleep(SECONDS)
    passed_s = time.monotonic() - began
    readings = len(one.readings) - count
    used_s = edge.cpu_s() - cpu_s
    return [
        held("edge_rss", edge.rss_bytes() / 1e6, "MB, with every kind of source", "at_most", RSS_MB_MAX),
        plain("edge_readings_rate", readings / passed_s, "readings/s"),
        held("edge_cpu_at_that_rate", used_s / passed_s * 100, "% of a core", "at_most", CPU_PERCENT_MAX),
        plain("edge_cpu_per_reading", used_s / readings * 1e6, "µs"),
    ]


def _config(folder: Path, url: str, port: Path, more: str) -> Path:
    metrics = ["rain", "water_level", "water_temperature", "soil_temperature", "soil_moisture"]
    slave_tables = []
    for unit in range(1, SLAVES + 1):
        registers = ", ".join(
            f'{{ address = {i}, scale = 0.1, metric = "{metrics[i % 5]}", device = "d{unit}-{i // 5}" }}'
            for i in range(REGISTERS)
        )
        slave_tables.append(f'[[edge.modbus.slaves]]\nunit = {unit}\ndevice = "d{unit}"\nregisters = [{registers}]\n')
    config = folder / "edge.toml"
    config.write_text(
        f'[broker]\nurl = "{url}"\n[edge]\ngateway = "gw"\n'
        f'[[edge.modbus]]\nport = "{port}"\ninterval_s = 1\n{"".join(slave_tables)}{more}',
        encoding="utf-8",
    )
    return config
