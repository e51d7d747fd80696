"""The supervisor with real processes: restart after kill -9, first start refused, clean and forced stop, its own death.

The parts are stand-ins for `satomori` commands: an interpreter put before the real one runs a small script by name.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from satomori_core import supervisor as module
from satomori_core.errors import SettingsError
from satomori_core.lock import StateLock
from satomori_core.supervisor import Part, Supervisor
from support.patience import PATIENCE_S

SCRIPT = """
import os, signal, sys, time
role = sys.argv[3]
print(f"{role} is up", flush=True)
open(sys.argv[4], "a").write(f"{os.getpid()}\\n")  # from here on a test may end it
if role == "refuses":
    steady = sys.argv[4].replace(role, "steady")
    while not (os.path.exists(steady) and os.path.getsize(steady)):
        time.sleep(0.01)
    print("[edge] gateway: 5 is not text"); sys.exit(2)
if role == "done":
    sys.exit(0)
if role == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(60)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter that runs SCRIPT whatever module it is asked for; returns the folder of pid files."""
    (tmp_path / "script.py").write_text(SCRIPT)
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/script.py "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.05)
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.5)
    return tmp_path


def _part(folder: Path, role: str, *, once: bool = False) -> Part:
    return Part(role, [role, str(folder / f"{role}.pid")], once=once)


async def _pids(folder: Path, role: str, count: int) -> list[int]:
    path = folder / f"{role}.pid"
    pids: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(pids) < count:
            await asyncio.sleep(0.02)
            pids = [int(line) for line in path.read_text().splitlines()] if path.exists() else []
    return pids


async def test_a_killed_part_is_started_again(stand_in: Path) -> None:
    supervisor = Supervisor([_part(stand_in, "steady"), _part(stand_in, "other")], stand_in / "log")
    run = asyncio.create_task(supervisor.run())
    [first] = await _pids(stand_in, "steady", 1)
    [other] = await _pids(stand_in, "other", 1)
    os.kill(first, signal.SIGKILL)
    second = (await _pids(stand_in, "steady", 2))[1]
    assert psutil.pid_exists(other)
    supervisor.stop()
    await run
    assert not psutil.pid_exists(second)
    assert not psutil.pid_exists(other)
    assert (stand_in / "log" / "steady.log").read_text() == "steady is up\n" * 2


async def test_wrong_settings_at_the_first_start_end_the_run_with_their_text(stand_in: Path) -> None:
    supervisor = Supervisor([_part(stand_in, "steady"), _part(stand_in, "refuses")], stand_in / "log")
    with pytest.raises(SettingsError, match=r"gateway: 5 is not text"):
        await supervisor.run()
    [steady] = await _pids(stand_in, "steady", 1)
    assert not psutil.pid_exists(steady)


async def test_a_part_whose_work_is_done_stays_ended_and_a_stubborn_one_is_killed(stand_in: Path) -> None:
    supervisor = Supervisor([_part(stand_in, "done", once=True), _part(stand_in, "stubborn")], stand_in / "log")
    run = asyncio.create_task(supervisor.run())
    [stubborn] = await _pids(stand_in, "stubborn", 1)
    await _pids(stand_in, "done", 1)
    await asyncio.sleep(0.3)
    supervisor.stop()
    await run
    assert len(await _pids(stand_in, "done", 1)) == 1
    assert not psutil.pid_exists(stubborn)


def test_parts_die_with_a_supervisor_that_is_killed(stand_in: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from satomori_core.supervisor import *; "
        f"real = sys.executable; sys.executable = {str(stand_in / 'python')!r}; "
        f"asyncio.run(Supervisor([Part('steady', ['steady', {str(stand_in / 'steady.pid')!r}])], "
        f"Path({str(stand_in / 'log')!r})).run())"
    )
    real = psutil.Process().exe()
    parent = subprocess.Popen([real, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    [child] = asyncio.run(_pids(stand_in, "steady", 1))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(child)


def test_a_second_run_on_the_same_state_is_refused_by_name(tmp_path: Path) -> None:
    lock = StateLock(tmp_path, "up")
    with pytest.raises(SettingsError, match=str(os.getpid())):
        StateLock(tmp_path, "up")
    lock.release()
    StateLock(tmp_path, "up").release()
