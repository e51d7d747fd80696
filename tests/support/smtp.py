"""A mail server of a few lines that keeps what it is sent, in a thread of its own; it can refuse on demand."""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from email import message_from_bytes, policy
from email.message import EmailMessage

from support.patience import PATIENCE_S


class MailSink:
    """`mails`: accepted messages in order. While `refusing` is set, each message is answered with 451."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusing = False
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 sink.test ESMTP")
        while line := await reader.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                await say("354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                await say(self._take(raw[:-3]))
            elif verb == b"QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()

    def _take(self, raw: bytes) -> str:
        if self.refusing:
            return "451 try again later"
        mail = message_from_bytes(raw.replace(b"\r\n..", b"\r\n."), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"


@contextlib.contextmanager
def mail_sink() -> Generator[MailSink]:
    """A sink that listens on 127.0.0.1:`port` until the end of the block."""
    sink = MailSink()
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(sink.talk, "127.0.0.1", 0)
        sink.port = server.sockets[0].getsockname()[1]
        ready.set()
        await done.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="mail sink")
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield sink
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(PATIENCE_S)
        loop.close()
