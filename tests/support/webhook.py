"""A web server that keeps the JSON posted to it; it can refuse on demand."""

import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from support.patience import PATIENCE_S


class Hook:
    """`posts`: accepted bodies in order. `status`: what to answer; a post counts as accepted with 200."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0


@contextlib.contextmanager
def webhook(port: int = 0) -> Generator[Hook]:
    """A server on 127.0.0.1:`port` until the end of the block."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.posts.append(body)
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="webhook")
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()
