"""The `satomori` program as its user meets it: help, exit codes, a command whose extra is not installed."""

from importlib.metadata import EntryPoint, entry_points
from typing import NoReturn

import pytest
from click.testing import CliRunner

from satomori_core import cli
from satomori_core.errors import SettingsError, UnavailableError


def test_a_command_whose_extra_is_missing_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_entry: EntryPoint) -> NoReturn:
        raise ModuleNotFoundError("No module named 'pymodbus'", name="pymodbus")

    [entry] = entry_points(group="satomori.commands", name="edge")
    monkeypatch.setattr(type(entry), "load", load)  # a backport that something imported brings a class of its own
    result = CliRunner().invoke(cli.program, ["edge", "--check"])
    assert isinstance(result.exception, SettingsError)
    assert "pip install 'satomori[edge]'" in str(result.exception)
    assert "not installed" in CliRunner().invoke(cli.program, ["--help"]).output


@pytest.mark.parametrize(
    ("error", "status"), [(SettingsError("wrong"), 2), (UnavailableError("away"), 1), (KeyboardInterrupt(), 130)]
)
def test_errors_become_exit_codes_and_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.program, "main", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == status
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(cli.program, ["uq"])
    assert result.exit_code == 2
    assert "No such command" in result.output
