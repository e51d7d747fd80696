"""Why a request is turned away before it reaches a query."""

from satomori_core.errors import SatomoriError


class RefusedError(SatomoriError):
    """Nobody is logged in, or the password, link or session is not good."""


class TooManyAttemptsError(SatomoriError):
    """Too many wrong passwords: come back after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many attempts; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class CrossSiteError(SatomoriError):
    """Another site's page asked for a change in the name of somebody who is logged in here."""
