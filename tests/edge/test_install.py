"""`pip install .[edge]` in a clean environment: small, and nothing of data science or databases comes along."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDED_BYTES_MAX = 15_000_000
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


def test_the_edge_extra_is_small_and_brings_no_data_science(tmp_path: Path) -> None:
    """The gateway's program runs from it, and says of another part which extra would bring it."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("the project's folder is not here")
    folder = tmp_path / "venv"
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
    added = size_bytes(folder) - before
    assert added <= ADDED_BYTES_MAX, f"{added / 1e6:.1f} MB"
    listed = run(*pip, "list", "--format", "freeze").stdout.lower()
    names = {line.partition("==")[0] for line in listed.splitlines()}
    assert {"satomori", "aiomqtt", "pymodbus", "pynmea2", "pyserial"} <= names
    assert not names & set(UNWANTED)
    program = folder / "bin" / "satomori"
    checked = run(program, "edge", "--check", "--config", ROOT / "edge" / "sample.toml")
    assert checked.returncode == 0, checked.stderr
    missing = run(program, "analytics")
    assert missing.returncode == 2
    assert "satomori[analytics]" in missing.stderr
