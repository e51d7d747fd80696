"""docker-compose.yml, the Dockerfile and docker/: whole in themselves, since no Docker engine runs in these tests."""

import importlib.metadata
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from satomori_core.broker import load_broker
from satomori_core.cli import program
from satomori_core.settings import TABLES
from satomori_core.up import _broker_options
from satomori_sample.cli import simulate
from support.secrets_script import make_secrets

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ("ingest", "analytics", "maintenance", "api", "dashboards", "sample")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What docker/init-secrets.sh makes, for real."""
    make_secrets(tmp_path)
    return tmp_path


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Where in the container → what is mounted there."""
    pairs = (entry.split(":") for entry in service.get("volumes", ()))
    return {parts[1]: parts[0] for parts in pairs}


def test_it_brings_what_it_should(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"secrets", "mosquitto", "influxdb", "postgres", "grafana", *OURS}
    assert compose["services"]["influxdb"]["image"].startswith("influxdb:2")
    assert [name for name, s in compose["services"].items() if s.get("profiles")] == ["sample"]


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            assert re.search(r":\d", service["image"]), service["image"]


def test_our_parts_are_built_from_one_dockerfile_with_extras_that_exist(compose: dict[str, Any]) -> None:
    extras = set(importlib.metadata.metadata("satomori").get_all("Provides-Extra") or ())
    assert "ARG ROLE" in DOCKERFILE
    assert '".[${ROLE}]"' in DOCKERFILE
    for name in OURS:
        build = compose["services"][name]["build"]
        assert build["context"] == "."
        assert set(build["args"]["ROLE"].split(",")) <= extras, name


def test_every_command_exists_and_takes_the_options_that_it_is_given(compose: dict[str, Any]) -> None:
    assert 'ENTRYPOINT ["satomori"]' in DOCKERFILE
    for name in OURS:
        words = compose["services"][name]["command"]
        if name == "dashboards":
            words = words[0].split("satomori ", 1)[1].split(";")[0].split()
        command: click.Command | None = program
        while isinstance(command, click.Group) and words and not words[0].startswith("--"):
            command = command.get_command(click.Context(command), words[0])
            words = words[1:]
        assert command is not None, name
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, name


def test_every_mount_exists_and_every_volume_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for source in mounts(service).values():
            if source.startswith("./"):
                assert (ROOT / source).is_file(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"


def test_every_dependency_is_there_and_can_become_what_is_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}"
            else:
                assert (other, wait["condition"]) == ("secrets", "service_completed_successfully")


def test_whatever_listens_says_whether_it_is_well_and_is_open_to_this_machine_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("${SATOMORI_BIND:-127.0.0.1}:"), name
            assert "healthcheck" in service, name


def test_the_program_s_settings_file_is_where_its_commands_look(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert mounts(service)["/etc/satomori/satomori.toml"] == "./docker/satomori.toml"
        assert "/etc/satomori/satomori.toml" in " ".join(service["command"])


def test_every_secret_that_is_read_is_made(compose: dict[str, Any], secrets: Path) -> None:
    """Each /secrets/NAME that a service, a settings file or the broker's settings names is in that service's volume."""
    shared = (ROOT / "docker" / "satomori.toml").read_text(encoding="utf-8")
    broker = (ROOT / "docker" / "mosquitto.conf").read_text(encoding="utf-8")
    for name, service in compose["services"].items():
        if name == "secrets":
            continue
        text = yaml.safe_dump(service) + (shared if name in OURS else "") + (broker if name == "mosquitto" else "")
        volume = mounts(service).get("/secrets")
        read = set(re.findall(r"/secrets/([\w.-]+)", text))
        assert bool(read) == (volume is not None), name
        for found in read:
            file = secrets / str(volume).removeprefix("secrets-") / found
            assert file.stat().st_size > 0, f"{name}: {found}"


def test_secrets_are_strong_private_and_made_once(secrets: Path) -> None:
    files = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    for path, content in files.items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert len(content) > 64
    make_secrets(secrets)
    for path, content in files.items():
        if path.name != "passwd":
            assert path.read_bytes() == content
    others = [content for path, content in files.items() if path.parent.name == "satomori"]
    assert len(set(others)) == len(others)


def test_a_gateway_is_let_in_and_stays_in(secrets: Path) -> None:
    password = make_secrets(secrets, "gateway", "gw-1")
    make_secrets(secrets)
    lines = (secrets / "mosquitto" / "passwd").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["gw-1", "satomori"]
    assert password not in "".join(lines)


@pytest.mark.parametrize("name", ["satomori", "", "a:b", "a b", "../x"])
def test_a_name_that_can_not_be_a_gateway_s_is_refused(secrets: Path, name: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        make_secrets(secrets, "gateway", name)


def test_nothing_secret_is_in_the_repository() -> None:
    for path in [ROOT / "docker-compose.yml", ROOT / "Dockerfile", *(ROOT / "docker").iterdir()]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[0-9a-f]{32}", text), path
        assert not re.search(r"(?i)(password|token)\s*[:=]\s*[\"']?\w+[\"']?\s*$", text, re.MULTILINE), path


def test_the_settings_have_only_tables_that_are_known() -> None:
    assert set(tomllib.loads((ROOT / "docker" / "satomori.toml").read_text(encoding="utf-8"))) <= set(TABLES)


def test_the_sample_region_logs_in_at_the_broker_as_its_settings_say() -> None:
    """`up --sample` hands the broker's user and the password's file on, by options that `simulate prepare` takes."""
    options = _broker_options(load_broker(ROOT / "docker" / "satomori.toml"))
    said = dict(zip(options[::2], options[1::2], strict=True))
    assert said == {
        "--broker-url": "mqtt://mosquitto:1883",
        "--username": "satomori",
        "--password-file": "/secrets/mqtt_password",
    }
    prepare = simulate.get_command(click.Context(simulate), "prepare")
    assert prepare is not None
    assert said.keys() <= {option for parameter in prepare.params for option in parameter.opts}
