"""The settings table [api] and its commented sample."""

from pathlib import Path

import pytest

from satomori_api.settings import ApiSettings, load_api_settings
from satomori_core.errors import SettingsError

SAMPLE = Path(__file__).parents[2] / "api" / "sample.toml"


def test_the_sample_shows_the_defaults() -> None:
    assert load_api_settings(SAMPLE) == ApiSettings()


@pytest.mark.parametrize(
    "line", ["port = 70000", 'public_url = "example.jp"', "session_days = 0", "prot = 1", 'host = ""']
)
def test_what_makes_no_sense_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(f"[api]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\[api\]"):
        load_api_settings(path)


def test_the_url_is_one_that_a_person_can_open() -> None:
    assert ApiSettings(host="0.0.0.0").url == "http://127.0.0.1:8686"  # noqa: S104 - what it is about
    assert ApiSettings(public_url="https://satomori.example.jp/").url == "https://satomori.example.jp"
    assert ApiSettings(public_url="https://satomori.example.jp/").https
