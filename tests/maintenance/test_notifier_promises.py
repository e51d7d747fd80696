"""What every way of telling must keep, run over each: mail through real SMTP, webhook through real HTTP."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.settings import Secret
from satomori_maintenance.receivers import AppriseNotifier, open_receiver
from satomori_maintenance.settings import ReceiverSettings
from support.ports import free_ports
from support.smtp import mail_sink
from support.webhook import webhook

# apprise's mail plugin imports a module that later Pythons lack, behind a shim of its own.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TITLE = "【危険】上野町 一番橋"
BODY = "■ 危険 一番橋\n何が：<ひずみ> & 'たわみ' \"急増\"\n.先頭の点\n通知番号 1\n"
PASSWORD = "hunter2secret"  # noqa: S105 - a made-up one that must show up nowhere


@dataclass
class Way:
    """One way of telling and a look at its far end."""

    url: str
    dead_url: str
    arrived: Callable[[], list[tuple[str, str]]]
    refuse: Callable[[bool], None]


@contextmanager
def mail() -> Generator[Way]:
    with mail_sink() as sink:

        def arrived() -> list[tuple[str, str]]:
            return [(str(m["Subject"]), m.get_content()) for m in sink.mails]

        def refuse(refusing: bool) -> None:
            sink.refusing = refusing

        tail = "?from=satomori@example.jp&to=crew@example.jp&mode=insecure"
        (dead,) = free_ports(1)
        yield Way(f"mailto://127.0.0.1:{sink.port}{tail}", f"mailto://127.0.0.1:{dead}{tail}", arrived, refuse)


@contextmanager
def hook() -> Generator[Way]:
    with webhook() as server:

        def arrived() -> list[tuple[str, str]]:
            return [(post["title"], post["message"]) for post in server.posts]

        def refuse(refusing: bool) -> None:
            server.status = 503 if refusing else 200

        (dead,) = free_ports(1)
        credentials = f"satomori:{PASSWORD}@127.0.0.1"
        yield Way(f"json://{credentials}:{server.port}/hook", f"json://{credentials}:{dead}/hook", arrived, refuse)


@pytest.fixture(params=[mail, hook], ids=["mail", "webhook"])
def way(request: pytest.FixtureRequest) -> Generator[Way]:
    with request.param() as opened:
        yield opened


def test_it_arrives_once_as_it_was_written(way: Way) -> None:
    """Japanese, quotes, angle brackets and a line that starts with a point arrive unchanged."""
    AppriseNotifier("crew", way.url).deliver(TITLE, BODY)
    ((subject, text),) = way.arrived()
    assert subject == TITLE
    assert text.replace("\r\n", "\n").strip() == BODY.strip()


def test_a_refusal_is_unavailable_and_the_next_attempt_arrives(way: Way) -> None:
    notifier = AppriseNotifier("crew", way.url)
    way.refuse(True)
    with pytest.raises(UnavailableError, match="crew"):
        notifier.deliver(TITLE, BODY)
    assert way.arrived() == []
    way.refuse(False)
    notifier.deliver(TITLE, BODY)
    assert len(way.arrived()) == 1


def test_nobody_there_is_unavailable_and_tells_no_secret(way: Way) -> None:
    with pytest.raises(UnavailableError) as error:
        AppriseNotifier("crew", way.dead_url).deliver(TITLE, BODY)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("url", ["", "crew@example.jp", "gopher://x", f"nothing://{PASSWORD}@x"])
def test_what_is_no_url_is_refused_at_the_start_without_telling_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREW_URL", url)
    with pytest.raises(SettingsError, match="crew") as error:
        open_receiver(ReceiverSettings("crew", Secret(env="CREW_URL")))
    assert PASSWORD not in str(error.value)
