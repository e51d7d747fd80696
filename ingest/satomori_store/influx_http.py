"""What InfluxDB 1.8+, 2.x and 3.x all understand: line protocol to `/api/v2/write`, InfluxQL from `/query`."""

from typing import Any, cast
from urllib.parse import urlencode

import msgspec
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from satomori_core.errors import UnavailableError
from satomori_store.settings import InfluxSettings

# What a person must mend; asked again after this time, since the mending is done on the other side.
_REFUSED_RETRY_S = 30.0
_MICROSECONDS = cast("WritePrecision", WritePrecision.US)  # the client's constants are plain text
_SPLIT = frozenset({400, 413, 422})


class RefusedError(Exception):
    """The server took the request and refuses (some of) the points: smaller requests show which, and why."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Series(msgspec.Struct):
    """One series of an answer; the first column is the time in µs."""

    columns: list[str]
    values: list[list[Any]]
    name: str = ""
    tags: dict[str, str] = {}


class _Statement(msgspec.Struct):
    series: list[Series] = []
    error: str | None = None
    partial: bool = False


class _Answer(msgspec.Struct):
    results: list[_Statement] = []
    error: str | None = None


class InfluxHttp:
    """Raises UnavailableError where the server is away or refuses us; see RefusedError for points."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._where = f"InfluxDB at {settings.url}"
        token = settings.token.reveal() if settings.token is not None else None
        ca_file = str(settings.ca_file) if settings.ca_file is not None else None
        self._client = InfluxDBClient(
            url=settings.url.rstrip("/"),
            token=token or "",
            org=settings.org,
            timeout=round(settings.timeout_s * 1000),
            enable_gzip=settings.gzip,
            ssl_ca_cert=ca_file,
        )
        self._write = self._client.write_api(write_options=SYNCHRONOUS)
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(total=settings.timeout_s), retries=False, maxsize=4, ca_certs=ca_file
        )
        self._headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if token is not None:
            self._headers["Authorization"] = f"Token {token}"

    def write(self, lines: bytes) -> None:
        """Raise RefusedError where the server refuses any of the points; the others may then be stored."""
        try:
            self._write.write(self._settings.database, self._settings.org, lines, _MICROSECONDS)
        except ApiException as error:
            told = _told(error.body)
            if error.status in _SPLIT:
                raise RefusedError(error.status, told) from error
            raise self._unavailable(error.status, told, error.headers) from error
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"{self._where}: {error}") from error

    def query(self, influxql: str) -> list[Series]:
        body = urlencode({"db": self._settings.database, "epoch": "u", "q": influxql})
        try:
            answer = self._pool.request(
                "POST", f"{self._settings.url.rstrip('/')}/query", body=body.encode(), headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"{self._where}: {error}") from error
        if answer.status != 200:
            raise self._unavailable(answer.status, _told(answer.data), answer.headers)
        try:
            decoded = msgspec.json.decode(answer.data, type=_Answer)
        except msgspec.DecodeError as error:
            raise UnavailableError(f"{self._where}: the answer to a query is not InfluxQL's JSON: {error}") from error
        for statement in decoded.results:
            if statement.error is not None:
                raise UnavailableError(f"{self._where}: {statement.error}", _REFUSED_RETRY_S)
        return [series for statement in decoded.results for series in statement.series]

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]
        # The client closes itself once more when it is collected; at the interpreter's end that would fail, noisily.
        del self._write, self._client
        self._pool.clear()

    def _unavailable(self, status: int | None, told: str, headers: Any) -> UnavailableError:  # noqa: ANN401 - either library's
        advice = {
            401: "check [store.influxdb] token",
            403: "check what the token may do with the database",
            404: f"does the database or bucket {self._settings.database!r} exist?",
        }.get(status or 0)
        text = f"{self._where} answers {status}: {told}" + (f"; {advice}" if advice else "")
        if advice:
            return UnavailableError(text, _REFUSED_RETRY_S)
        after = (headers or {}).get("Retry-After", "")
        return UnavailableError(text, min(float(after), 60.0) if str(after).isdigit() else 1.0)


def _told(body: object) -> str:
    """The server's words, from any version's error body."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict):
        text = str(document.get("error") or document.get("message") or text)
    return " ".join(text.split())[:500]
