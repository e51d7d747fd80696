"""Runs docker/init-secrets.sh for real, in a folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make_secrets(folder: Path, *arguments: str) -> str:
    """Make what is missing, or let a gateway in; what the script printed."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed")
    environment = os.environ | {"SECRETS": str(folder), "CHOWN": "no"}
    done = subprocess.run(
        ["/bin/sh", ROOT / "docker" / "init-secrets.sh", *arguments],
        env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout.strip()
