"""The [maintenance] table and its sample."""

import os
from pathlib import Path

import pytest

from satomori_core.errors import SettingsError
from satomori_maintenance.settings import MaintenanceSettings, load_maintenance

SAMPLE = Path(__file__).parents[2] / "maintenance" / "sample.toml"


def test_the_sample_loads_and_shows_the_defaults() -> None:
    settings = load_maintenance(SAMPLE)
    defaults = MaintenanceSettings()
    shown = [name for name in MaintenanceSettings.__dataclass_fields__ if name != "receiver"]
    assert {n: getattr(settings, n) for n in shown} == {n: getattr(defaults, n) for n in shown}
    assert [r.name for r in settings.receiver] == ["crew-mail", "control-room"]
    for name in shown:
        assert f"\n{name} = " in SAMPLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[maintenance]\ngroup_wait_s = -1", "below zero"),
        ("[maintenance]\nloop_s = 0", "loop_s"),
        ("[maintenance]\nhold = 5", "did you mean 'hold_s'"),
        ('[[maintenance.receiver]]\nname = "a"\nurl = "mailto://x"', "url"),
        ('[[maintenance.receiver]]\nname = "a"\nurl = { env = "A" }\nlanguage = "fr"', "language"),
        ('[[maintenance.receiver]]\nname = "a"\nurl = { env = "A" }\n' * 2, "unique"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said.replace("[", r"\[")):
        load_maintenance(path)


def test_the_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SATOMORI_CONTROL_ROOM_URL", "json://127.0.0.1:1/x")
    assert load_maintenance(SAMPLE).receiver[1].url.reveal() == "json://127.0.0.1:1/x"
