"""The settings table [api]."""

from dataclasses import dataclass
from pathlib import Path

from satomori_core.errors import SettingsError
from satomori_core.settings import load_settings


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`public_url`: what people type to reach us, where a proxy stands in front; it goes into links and cookies.

    `trusted_proxies`: addresses whose X-Forwarded-* headers are believed. `metrics_public`: /metrics without a login.
    """

    host: str = "127.0.0.1"
    port: int = 8686
    public_url: str | None = None
    session_days: int = 30
    link_hours: int = 72
    streams_max: int = 200
    observations_max: int = 100_000
    metrics_public: bool = True
    trusted_proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least, most in (
            ("port", 0, 65535), ("session_days", 1, 366), ("link_hours", 1, 24 * 30),
            ("streams_max", 1, 10_000), ("observations_max", 1000, 10_000_000),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} = {value}: a number from {least} to {most} is expected")
        if self.public_url is not None and not self.public_url.startswith(("http://", "https://")):
            raise ValueError(f"public_url = {self.public_url!r}: it starts with http:// or https://")

    @property
    def url(self) -> str:
        """Where people reach us, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    @property
    def https(self) -> bool:
        return self.url.startswith("https://")


def load_api_settings(config: Path | None) -> ApiSettings:
    settings = load_settings(config, "api", ApiSettings)
    if not settings.host:
        raise SettingsError(f"{config}: [api] host is empty; say 127.0.0.1, or 0.0.0.0 for the whole network")
    return settings
