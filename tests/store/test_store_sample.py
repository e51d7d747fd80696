"""The commented sample of [store] is what the loader takes, as it stands and with every line in use."""

import re
from pathlib import Path

from satomori_core.settings import Secret, read_toml
from satomori_store.settings import InfluxSettings, StoreSettings, load_store

SAMPLE = Path(__file__).parents[2] / "ingest" / "sample.toml"


def test_the_sample_says_the_defaults() -> None:
    assert load_store(SAMPLE) == StoreSettings()


def test_every_line_of_the_sample_is_a_setting(tmp_path: Path) -> None:
    """With the comments taken off and the other backend chosen."""
    text = SAMPLE.read_text(encoding="utf-8")
    section = text[text.index("[store]\n") :]
    following = re.search(r"^# ?-{10,}.*\n\[(?!store)", section, re.MULTILINE)
    section = section[: following.start()] if following else section
    used = re.sub(r"^# (?=\[store\.|[a-z_]+ = )", "", section, flags=re.MULTILINE).replace('"sqlite"', '"influxdb"')
    config = tmp_path / "satomori.toml"
    config.write_text(used, encoding="utf-8")
    store = load_store(config)
    assert store.registry_url == "postgresql://satomori@db.example/satomori"
    assert store.influxdb == InfluxSettings(
        "http://127.0.0.1:8086",
        token=Secret(file=Path("/run/secrets/influxdb")),
        ca_file=Path("/etc/ssl/our-ca.pem"),
    )
    assert read_toml(config)["store"]["influxdb"].keys() == {
        "url", "database", "org", "token", "ca_file", "timeout_s", "gzip",
    }  # fmt: skip
