"""The edge on its real line: memory and CPU while it reads about 100 registers a second."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.edge import Agent, Peer, agent, peer, slaves, until
from support.mosquitto import mosquitto
from support.serial import cable

SLAVES = 5
REGISTERS = 20  # of each slave, each second
SECONDS = 10.0
RSS_MB_MAX = 45.0


def run() -> Iterator[dict[str, object]]:
    yield from asyncio.run(_poll())


async def _poll() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name, cable(Path(name)) as line, mosquitto(Path(name)) as broker:
        folder = Path(name)
        values = {unit: list(range(100, 100 + REGISTERS)) for unit in range(1, SLAVES + 1)}
        async with slaves(line.far, values), peer(Peer("gw"), broker.host, broker.port) as one:
            with agent(_config(folder, broker.url, line.near), folder / "state") as edge:
                return await _measure(edge, one)


async def _measure(edge: Agent, one: Peer) -> list[dict[str, object]]:
    await until("the first readings", lambda: len(one.readings) >= SLAVES * REGISTERS)
    began, cpu_s, count = time.monotonic(), edge.cpu_s(), len(one.readings)
    await asyncio.sleep(SECONDS)
    passed_s = time.monotonic() - began
    readings = len(one.readings) - count
    share = (edge.cpu_s() - cpu_s) / passed_s
    rss_mb = edge.rss_bytes() / 1e6
    return [
        {
            "name": "edge_rss",
            "value": round(rss_mb, 1),
            "unit": "MB",
            "target": RSS_MB_MAX,
            "met": rss_mb <= RSS_MB_MAX,
        },
        {"name": "edge_readings_rate", "value": round(readings / passed_s, 1), "unit": "1/s"},
        {"name": "edge_cpu_share_at_that_rate", "value": round(share * 100, 2), "unit": "%"},
        {"name": "edge_cpu_per_reading", "value": round(share * passed_s / readings * 1e6), "unit": "us"},
    ]


def _config(folder: Path, url: str, port: Path) -> Path:
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
        f'[[edge.modbus]]\nport = "{port}"\ninterval_s = 1\n{"".join(slave_tables)}',
        encoding="utf-8",
    )
    return config
