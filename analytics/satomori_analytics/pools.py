"""Where judgements run: in this process, in a pool of processes (the default), or on a Dask cluster.

All three give the same outcomes in the same order. Nothing is written by a worker, so one that dies halfway leaves
nothing behind: its partition is judged again by another.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby, islice
from typing import Any, Protocol

from satomori_analytics.work import Outcome
from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.logs import get_logger

# Picklable, with all that it needs inside it.
Job = Callable[[], Outcome]
Partition = tuple[Job, ...]

# So many workers may die in a row before the round is given up, to be tried again later.
_DEATHS_MAX = 3
_RETRY_AFTER_S = 30.0
# So often it is asked whether a cluster that takes long has any workers at all.
_ASK_AGAIN_S = 30
# Assets of one group whose jobs travel together.
_JOBS_PER_PARTITION = 20

log = get_logger("analytics")


class Pool(Protocol):
    def run(self, partitions: Iterable[Partition]) -> Iterator[Outcome]:
        """Outcomes in the order of the jobs; partitions are taken only as workers come free.

        Raise UnavailableError where workers keep dying or the cluster is away.
        """
        ...

    def close(self) -> None: ...


def by_group(jobs: Iterable[tuple[str, Job]]) -> Iterator[Partition]:
    """Neighbours of the same group (群) together, a bounded number at a time."""
    for _, of_group in groupby(jobs, key=lambda each: each[0]):
        while part := tuple(job for _, job in islice(of_group, _JOBS_PER_PARTITION)):
            yield part


def _do(partition: Partition) -> list[Outcome]:
    return [job() for job in partition]


class Here:
    """In this process."""

    def run(self, partitions: Iterable[Partition]) -> Iterator[Outcome]:
        for partition in partitions:
            yield from _do(partition)

    def close(self) -> None:
        pass


class Processes:
    """Worker processes on this machine, made when first needed, and made anew when one of them has died."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor = self._make()

    def _make(self) -> ProcessPoolExecutor:
        # Spawned, not forked: the parent holds database connections.
        return ProcessPoolExecutor(
            self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        )

    def run(self, partitions: Iterable[Partition]) -> Iterator[Outcome]:
        source, deaths = iter(partitions), 0
        begun: deque[tuple[Partition, Future[list[Outcome]] | None]] = deque()
        while True:
            while len(begun) < 2 * self._workers and (partition := next(source, None)) is not None:
                begun.append((partition, self._submit(partition)))
            if not begun:
                return
            outcomes = _result(begun[0][1])
            if outcomes is None:
                deaths += 1
                self.close()
                self._executor = self._make()
                if deaths == _DEATHS_MAX:
                    raise UnavailableError(
                        f"{deaths} workers died one after another (out of memory?); to judge in one process set"
                        " [analytics] workers = 0",
                        _RETRY_AFTER_S,
                    ) from None
                log.warning("worker died, judging again", partitions=len(begun))
                begun = deque((partition, self._submit(partition)) for partition, _ in begun)
                continue
            deaths = 0
            begun.popleft()
            yield from outcomes

    def _submit(self, partition: Partition) -> Future[list[Outcome]] | None:
        try:
            return self._executor.submit(_do, partition)
        except BrokenProcessPool:
            return None

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[list[Outcome]] | None) -> list[Outcome] | None:
    """None where its worker died."""
    try:
        return future.result() if future else None
    except BrokenProcessPool:
        return None


def _begin_worker() -> None:
    """The parent ends its workers; an interrupt from the keyboard is meant for it alone. They never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Cluster:
    """Workers of a Dask cluster, by its scheduler's address. They need the same Satomori installed, and no store."""

    def __init__(self, address: str) -> None:
        """Raise SettingsError where Dask is not installed, UnavailableError where no scheduler answers."""
        try:
            from distributed import Client  # noqa: PLC0415 - an extra of its own
        except ImportError:
            raise SettingsError("[analytics] dask: Dask is missing; pip install 'satomori[dask]'") from None
        self._address = address
        try:
            self._client: Any = Client(address, set_as_default=False, timeout=10)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            raise UnavailableError(f"[analytics] dask = {address!r}: no Dask scheduler there: {error}") from None

    def run(self, partitions: Iterable[Partition]) -> Iterator[Outcome]:
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415
        from distributed.comm.core import CommClosedError  # noqa: PLC0415

        source = iter(partitions)
        begun: deque[Any] = deque()
        window = 2 * max(len(self._client.nthreads()), 1)
        try:
            while True:
                while len(begun) < window and (partition := next(source, None)) is not None:
                    # Not pure: the same question twice is asked twice, since the answer may not be kept.
                    begun.append(self._client.submit(_do, partition, pure=False))
                if not begun:
                    return
                outcomes = self._result(begun[0])
                begun.popleft()
                yield from outcomes
        except (KilledWorker, CancelledError, CommClosedError, OSError, TimeoutError) as error:
            message = f"[analytics] dask = {self._address!r}: {type(error).__name__}: {error}"
            raise UnavailableError(message, _RETRY_AFTER_S) from None

    def _result(self, future: "Future[list[Outcome]]") -> list[Outcome]:
        while True:
            try:
                outcomes: list[Outcome] = future.result(timeout=_ASK_AGAIN_S)
            except TimeoutError:
                if not self._client.nthreads():
                    raise TimeoutError("the cluster has no workers") from None
            else:
                return outcomes

    def close(self) -> None:
        self._client.close()
