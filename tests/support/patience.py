"""How long a test waits for what has to come, and how a task of ours is ended as the programs end it."""

import asyncio

# Only slowness comes near it, and a green test never waits that long.
PATIENCE_S = 60.0


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel it once, as an agent does: it ends by that alone, whatever its libraries make of it.

    What a test itself has running on such a library is ended by `satomori_sample.broker.end`, which repeats itself.
    """
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
    assert done, f"{task.get_name()} does not end when it is cancelled"
    if not task.cancelled():
        task.result()
