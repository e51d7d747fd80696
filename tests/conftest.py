"""What every test gets: with SATOMORI_NO_SKIP set, as CI does, a test that would be skipped fails instead."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A machine that is busy with something else is no fault of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("SATOMORI_NO_SKIP"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped here: {reason} (phase {call.when})"
    return report
