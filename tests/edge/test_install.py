"""`pip install .[edge]` in a clean environment: small on disk and in memory, no data science or databases with it."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.edge import Peer, agent, peer, slaves, until
from support.edge_config import other_sources, write_config
from support.mosquitto import mosquitto
from support.serial import cable

ROOT = Path(__file__).parents[2]
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


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@dataclass(frozen=True)
class Gateway:
    """An environment with the edge extra and nothing else, as a gateway has it."""

    python: Path
    added_bytes: int
    packages: frozenset[str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("the project's folder is not here")
    folder = tmp_path_factory.mktemp("gateway") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    before = size_bytes(folder)
    # The running interpreter's pip, told to install there: so what is measured is what the extra adds.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    constraint = ["--constraint", str(ROOT / "requirements.lock")]
    done = run(*pip, "install", "--quiet", f"{ROOT}[edge]", *constraint)
    if done.returncode and "No matching distribution found" in done.stderr and "Retrying" in done.stderr:
        pytest.skip(f"no package registry is reachable: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    listed = run(*pip, "list", "--format", "freeze").stdout.lower()
    names = frozenset(line.partition("==")[0] for line in listed.splitlines())
    return Gateway(python, size_bytes(folder) - before, names)


def test_the_edge_extra_is_small_and_brings_no_data_science(gateway: Gateway) -> None:
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
async def test_an_agent_with_all_sources_takes_little_memory(gateway: Gateway, tmp_path: Path) -> None:
    """Resident after some hundred readings, with every kind of source and the uplink running."""
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line, other_sources(tmp_path, broker.url) as more:
        config = write_config(tmp_path, broker.url, line, more=more, interval_s=0.05)
        async with slaves(line.far, {1: [3, 4]}), peer(Peer("gw"), broker.host, broker.port) as one:
            with agent(config, tmp_path / "state", str(gateway.python)) as edge:
                await until("many readings", lambda: len(one.readings) >= 300)
                rss = edge.rss_bytes()
                assert edge.stop() == 0
    assert rss <= RSS_BYTES_MAX, f"{rss / 1e6:.1f} MB"
