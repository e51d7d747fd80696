"""Delivery through apprise: mail (mailto://, mailtos://), webhook (json://, jsons://), LINE, Slack, Teams and more.

The only module that imports apprise. An apprise URL holds passwords, so it is never logged or put into an error.
"""

import threading
from typing import Protocol

import apprise
from typing_extensions import override

from satomori_core.errors import SettingsError, UnavailableError
from satomori_maintenance.settings import ReceiverSettings

# How long one delivery may take before it counts as failed; a mail server that greets slowly gets its time.
DELIVERY_TIMEOUT_S = 30


class Notifier(Protocol):
    """What every way of telling must do; the promises are in tests/maintenance/test_notifier_promises.py."""

    def deliver(self, title: str, body: str) -> None:
        """Return when the other side has taken the message. Raise UnavailableError when it has not: try again."""
        ...


class AppriseNotifier(Notifier):
    """One apprise URL."""

    def __init__(self, name: str, url: str) -> None:
        """Connect to nothing. Raise SettingsError for what is no apprise URL."""
        self._name = name
        self._lock = threading.Lock()
        asset = apprise.AppriseAsset(app_id="Satomori", app_desc="Satomori", app_url="", secure_logging=True)
        self._apprise = apprise.Apprise(asset=asset)
        if not self._apprise.add(url):
            scheme = url.partition("://")[0] if "://" in url else "none"
            raise SettingsError(
                f"[[maintenance.receiver]] {name!r}: its url (scheme {scheme}) is not one that apprise takes; "
                "for example mailtos://user:password@mail.example.jp?to=crew@example.jp or json://host:port/path"
            )

    @override
    def deliver(self, title: str, body: str) -> None:
        with self._lock:
            result = self._apprise.notify(
                title=title, body=body, body_format=apprise.NotifyFormat.TEXT, timeout=DELIVERY_TIMEOUT_S
            )
        if not result:
            said = "; ".join(dict.fromkeys(entry.message for entry in result.logs())) or "no reason was given"
            raise UnavailableError(f"receiver {self._name!r}: not delivered: {said[:500]}")


def open_receiver(settings: ReceiverSettings) -> AppriseNotifier:
    """Read the secret and parse the URL. Raise SettingsError where either is wrong."""
    return AppriseNotifier(settings.name, settings.url.reveal())
