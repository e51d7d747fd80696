"""`pip install .[edge]` in a clean environment: small on disk and in memory, no data science or databases with it."""

from pathlib import Path

import pytest

from support.edge import Peer, agent, peer, slaves, until
from support.edge_config import other_sources, write_config
from support.gateway_env import ROOT, GatewayEnvironment, make_gateway_environment, run
from support.mosquitto import mosquitto
from support.serial import cable

ADDED_BYTES_MAX = 15_000_000
RSS_BYTES_MAX = 45_000_000
UNWANTED = (
    "numpy",
    "pandas",
    "scikit-learn",
    "sqlalchemy",
    "pydantic",
    "fastapi",
    "influxdb-client",
    "rich",
    "greenlet",
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> GatewayEnvironment:
    return make_gateway_environment(tmp_path_factory.mktemp("gateway") / "venv")


def test_the_edge_extra_is_small_and_brings_no_data_science(gateway: GatewayEnvironment) -> None:
    """The gateway's program runs from it, and says of another part which extra would bring it."""
    assert gateway.added_bytes <= ADDED_BYTES_MAX, f"{gateway.added_bytes / 1e6:.1f} MB"
    assert {"satomori", "aiomqtt", "pymodbus", "pynmea2", "pyserial"} <= gateway.packages
    assert not gateway.packages & set(UNWANTED)
    program = gateway.python.with_name("satomori")
    checked = run(program, "edge", "--check", "--config", ROOT / "edge" / "sample.toml")
    assert checked.returncode == 0, checked.stderr
    missing = run(program, "analytics")
    assert missing.returncode == 2
    assert "satomori[analytics]" in missing.stderr


@pytest.mark.servers
async def test_an_agent_with_all_sources_takes_little_memory(gateway: GatewayEnvironment, tmp_path: Path) -> None:
    """Resident after some hundred readings, with every kind of source and the uplink running."""
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line, other_sources(tmp_path, broker.url) as more:
        config = write_config(tmp_path, broker.url, line, more=more, interval_s=0.05)
        async with slaves(line.far, {1: [3, 4]}), peer(Peer("gw"), broker.host, broker.port) as one:
            with agent(config, tmp_path / "state", str(gateway.python)) as edge:
                await until("many readings", lambda: len(one.readings) >= 300)
                rss = edge.rss_bytes()
                assert edge.stop() == 0
    assert rss <= RSS_BYTES_MAX, f"{rss / 1e6:.1f} MB"
