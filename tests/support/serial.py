"""A serial cable of two pseudo-terminals, which can be unplugged, plugged in again, and made noisy."""

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.patience import PATIENCE_S


class Cable:
    """`near` and `far`: the names of its two ends, which stay the same when it is plugged in again."""

    def __init__(self, folder: Path, name: str = "tty") -> None:
        self.near = folder / name
        self.far = folder / f"{name}-far"
        self._masters: list[int] = []
        self._slaves: list[int] = []
        self._stop = -1
        self._relay: threading.Thread | None = None
        self.far_is_deaf = threading.Event()  # what the near end says gets lost …
        self.lost_bytes = 0  # … and so much of it was

    def plug(self) -> None:
        for link in (self.near, self.far):
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            # Our own hold on the slave keeps the pair alive while nobody else has it open.
            self._masters.append(master)
            self._slaves.append(slave)
            link.symlink_to(os.ttyname(slave))
        listen, self._stop = os.pipe()
        self._relay = threading.Thread(target=self._carry, args=(*self._masters, listen), name="cable")
        self._relay.start()

    def unplug(self) -> None:
        if self._relay is None:
            return
        os.close(self._stop)
        self._relay.join(PATIENCE_S)
        self._relay = None
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)
        self._masters, self._slaves = [], []
        self.near.unlink()
        self.far.unlink()

    def disturb(self, noise: bytes) -> None:
        """The near end hears `noise`."""
        view = memoryview(noise)
        while view:
            select.select([], [self._masters[0]], [], PATIENCE_S)
            with suppress(BlockingIOError):
                view = view[os.write(self._masters[0], view[:1024]) :]

    def _carry(self, near: int, far: int, stop: int) -> None:
        other = {near: far, far: near}
        while True:
            ready, _, _ = select.select([near, far, stop], [], [])
            if stop in ready:
                os.close(stop)
                return
            for source in ready:
                with suppress(BlockingIOError):  # the other end is full: bytes are lost, as on a real line
                    said = os.read(source, 4096)
                    if source == near and self.far_is_deaf.is_set():
                        self.lost_bytes += len(said)
                    else:
                        os.write(other[source], said)


@contextmanager
def cable(folder: Path, name: str = "tty") -> Iterator[Cable]:
    """Plugged in for the length of the block."""
    one = Cable(folder, name)
    one.plug()
    try:
        yield one
    finally:
        one.unplug()
