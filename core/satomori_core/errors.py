"""Errors, named by what the caller must do about them."""


class SatomoriError(Exception):
    """Any error that Satomori raises on purpose; its text says what, where and what to do."""


class SettingsError(SatomoriError):
    """Stop and tell the operator; the program ends with exit status 2."""


class RejectedError(SatomoriError):
    """Bad and will stay bad: set it aside with its reason, acknowledge it, never retry.

    `reason` is a short constant word that quarantine counts by; the message has the particulars.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(SatomoriError):
    """The other side is away: keep what you hold, wait `retry_after_s`, try again."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotFoundError(SatomoriError):
    """The thing asked for does not exist, or the asker may not know that it does."""


class ConflictError(SatomoriError):
    """The request contradicts what is already there."""
