"""An environment with the edge extra and nothing else, as a gateway has it: what it weighs, and a Python to run it."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class GatewayEnvironment:
    python: Path
    added_bytes: int
    packages: frozenset[str]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def make_gateway_environment(folder: Path) -> GatewayEnvironment:
    """Skips the test where no package registry can be reached."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("the project's folder is not here")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    before = _size_bytes(folder)
    # The running interpreter's pip, told to install there: so what is measured is what the extra adds.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    constraint = ["--constraint", str(ROOT / "requirements.lock")]
    done = run(*pip, "install", "--quiet", f"{ROOT}[edge]", *constraint)
    if done.returncode and "No matching distribution found" in done.stderr and "Retrying" in done.stderr:
        pytest.skip(f"no package registry is reachable: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    listed = run(*pip, "list", "--format", "freeze").stdout.lower()
    names = frozenset(line.partition("==")[0] for line in listed.splitlines())
    return GatewayEnvironment(python, _size_bytes(folder) - before, names)


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
