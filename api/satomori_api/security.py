"""Before and after every route: requests that no route should see, and the security headers of every answer."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from satomori_api.problems import problem

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Our own pages (login) need a style and a form, the rest of the API nothing at all.
STRICT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STRICT_PATHS = ("/api/", "/login", "/logout", "/health/", "/metrics")
# The console's framework needs inline scripts and eval (Vue's templates); pictures are the map's tiles.
PAGES_CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: https://cyberjapandata.gsi.go.jp; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Bounds:
    """Turns away bodies that are too long, and NUL in a path or query, which PostgreSQL's text can't hold."""

    def __init__(self, app: ASGIApp, *, body_max: int) -> None:
        self._app = app
        self._body_max = body_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None
        if scope["type"] == "http":
            length = Headers(scope=scope).get("content-length", "0")
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                refusal = problem(400, "a NUL character has no place in a path or query")
            elif not length.isdigit() or int(length) > self._body_max:
                refusal = problem(413, f"a body has at most {self._body_max} bytes")
        await (refusal or self._app)(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        """For bodies that do not say how long they are."""
        total = 0

        async def receive_bounded() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b"")) if message["type"] == "http.request" else 0
            if total > self._body_max:
                raise HTTPException(413, f"a body has at most {self._body_max} bytes")
            return message

        return receive_bounded


class SecurityHeaders:
    """A mount that needs other headers (the console's scripts) sets its own; those stay."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        strict = scope["path"].startswith(STRICT_PATHS)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", STRICT_CSP if strict else PAGES_CSP)
                if strict:
                    headers.setdefault("Cache-Control", "no-store")
                if self._https:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_with_headers)
