"""The commented sample.toml of core loads, and says the defaults."""

from pathlib import Path

from satomori_core.broker import BrokerSettings, load_broker
from satomori_core.settings import load_settings
from satomori_core.up import UpSettings

SAMPLE = Path(__file__).parents[2] / "core" / "sample.toml"


def test_the_sample_shows_the_defaults() -> None:
    assert load_settings(SAMPLE, "up", UpSettings) == UpSettings()
    assert load_broker(SAMPLE) == BrokerSettings()
