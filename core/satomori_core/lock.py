"""One process of a kind for one state folder: a lock of the system, gone with its process however that ends."""

import contextlib
import fcntl
import os
from pathlib import Path

from satomori_core.errors import SettingsError


class StateLock:
    """Held until `release`. Raise SettingsError where another `satomori COMMAND` holds it, naming its process id."""

    def __init__(self, state: Path, command: str) -> None:
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._file = (state / f"{command}.lock").open("a+")
        except OSError as error:
            raise SettingsError(f"{state}: {error.strerror}; name a folder that can be written with --state") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "?"
            self._file.close()
            raise SettingsError(
                f"{state} is in use by another `satomori {command}` (process {owner}); stop it or name another --state"
            ) from None
        with contextlib.suppress(OSError):  # on a full disk: who holds it is then not told, but held it is
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), str(os.getpid()).encode())

    def release(self) -> None:
        self._file.close()
