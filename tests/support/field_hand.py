"""A gateway with one gate that speaks commands and replies by hand: an independent second reading of our wire."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from satomori_sample.broker import end

GATE = {
    "name": "gate", "values": [0, 1], "unit": "1", "fail_safe": 0, "run_s_max": 600, "settle_s": 0.1, "device": "io-1",
}  # fmt: skip


@dataclass
class FieldHand:
    """`answer(command, how often it came) -> replies`: by default done at once, with the value read back."""

    gateway: str
    client: aiomqtt.Client
    answer: Callable[[dict[str, Any], int], list[dict[str, Any]]] = lambda command, _: [done(command)]
    commands: list[dict[str, Any]] = field(default_factory=list)
    messages: list[aiomqtt.Message] = field(default_factory=list)

    async def status(self, **more: Any) -> None:
        body = {"online": True, "actuators": [GATE], **more}
        await self.client.publish(self._topic("status"), json.dumps(body), qos=1, retain=True)

    async def reply(self, body: dict[str, Any] | bytes) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.client.publish(self._topic("reply"), payload, qos=1)

    async def work(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            command = json.loads(message.payload)
            self.messages.append(message)
            self.commands.append(command)
            times = sum(other["id"] == command["id"] for other in self.commands)
            for reply in self.answer(command, times):
                await self.reply(reply)

    def _topic(self, channel: str) -> str:
        return f"satomori/v1/{self.gateway}/{channel}"


def done(command: dict[str, Any], **more: Any) -> dict[str, Any]:
    value = command["args"].get("value", 0)
    return {"id": command["id"], "at": time.time(), "outcome": "done", "read_back": value, **more}


@asynccontextmanager
async def field_hand(port: int, gateway: str = "gw-1", *, mqtt5: bool = True, **more: Any) -> AsyncIterator[FieldHand]:
    """At work for the length of the block, in a clean session, as an edge is."""
    version = aiomqtt.ProtocolVersion.V5 if mqtt5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client("127.0.0.1", port, protocol=version) as client:
        hand = FieldHand(gateway, client, **more)
        await client.subscribe(f"satomori/v1/{gateway}/command", qos=1)
        task = asyncio.create_task(hand.work())
        try:
            yield hand
        finally:
            await end([task])
