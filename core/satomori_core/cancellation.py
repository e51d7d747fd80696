"""A cancellation that a library has lost is raised after all."""

import asyncio


def mind_cancellation() -> None:
    """Raise CancelledError where this task was told to end and went on all the same.

    `asyncio.wait_for` of Python 3.11, which aiomqtt and pymodbus use, loses a cancellation that comes just as what it
    waits for is done (mended in 3.12), and a task group that ends with errors loses one too. Not for tasks that had
    such a group.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
