"""The lock of a state folder."""

from pathlib import Path

import pytest

from satomori_core.errors import SettingsError
from satomori_core.lock import StateLock


def test_a_full_disk_is_no_obstacle_to_a_start(tmp_path: Path) -> None:
    """A gateway that starts on one has to read its sensors all the same. /dev/full says what a full disk says."""
    (tmp_path / "edge.lock").symlink_to("/dev/full")
    StateLock(tmp_path, "edge").release()


def test_the_second_of_a_kind_is_told_who_is_the_first(tmp_path: Path) -> None:
    first = StateLock(tmp_path, "edge")
    with pytest.raises(SettingsError, match="in use by another"):
        StateLock(tmp_path, "edge")
    first.release()
    StateLock(tmp_path, "edge").release()
