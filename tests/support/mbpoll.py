"""Debian's mbpoll (libmodbus): a second master, which shares no code with ours."""

import asyncio
import re
import shutil
from collections.abc import Sequence

import pytest

from support.patience import PATIENCE_S


async def mbpoll(*where: str, unit: int, table: str, reference: int, count: int = 1) -> list[float]:
    """What it reads once. `table`: its -t, such as `4` (holding) or `3:float -B`; `reference` counts from 1."""
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed (apt-get install mbpoll)")
    asked: Sequence[str] = (
        "-a",
        str(unit),
        "-t",
        *table.split(),
        "-r",
        str(reference),
        "-c",
        str(count),
        "-1",
        "-o",
        "10",
        *where,
    )
    process = await asyncio.create_subprocess_exec(program, *asked, stdout=-1, stderr=-2)
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, printed.decode()
    return [float(value) for value in re.findall(r"^\[\d+\]:\s+(\S+)", printed.decode(), re.MULTILINE)]
