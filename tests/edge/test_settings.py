"""The [edge] table: the sample loads; every fault is told with its place, all in one message."""

import json
from pathlib import Path

import pytest

from satomori_core.broker import load_broker
from satomori_core.errors import SettingsError
from satomori_edge.settings import EdgeSettings, OutboxSettings, UplinkSettings, load_edge, plan
from support.running import satomori

SAMPLE = Path(__file__).parents[2] / "edge" / "sample.toml"
REGISTER = '{ address = 0, metric = "rain", unit = "mm" }'

METRIC = '{ id = 1, metric = "rain", unit = "mm" }'


def load(folder: Path, text: str) -> EdgeSettings:
    config = folder / "satomori.toml"
    config.write_text(text, encoding="utf-8")
    return load_edge(config)


def modbus(port: str = "/dev/ttyX", unit: int = 1, device: str = "a", registers: str = REGISTER) -> str:
    return (
        f'[[edge.modbus]]\nport = "{port}"\n'
        f'[[edge.modbus.slaves]]\nunit = {unit}\ndevice = "{device}"\nregisters = [{registers}]\n'
    )


def modbus_tcp(host: str, unit: int = 1, device: str = "a") -> str:
    return modbus(unit=unit, device=device).replace('port = "/dev/ttyX"', f'host = "{host}"')


def frames(nodes: str = '{ node = 1, device = "a" }', metrics: str = METRIC) -> str:
    return f'[[edge.frames]]\nport = "/dev/ttyF"\nnodes = [{nodes}]\nmetrics = [{metrics}]\n'


def sdi12(
    sensor: str,
    command: str = "M",
    index: int = 0,
    device: str = "s",
    head: str = '[[edge.sdi12]]\nport = "/dev/ttyS"\n',
) -> str:
    return (
        f'{head}[[edge.sdi12.sensors]]\n{sensor}\ndevice = "{device}"\ncommand = "{command}"\n'
        f'values = [{{ index = {index}, metric = "rain" }}]\n'
    )


def nmea(field: str) -> str:
    return f'[[edge.nmea]]\nport = "/dev/ttyZ"\ndevice = "w"\nfields = [{{ {field} }}]\n'


def faults(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder, text)
    return str(caught.value)


def test_the_sample_loads_and_shows_the_defaults() -> None:
    settings = load_edge(SAMPLE)
    assert settings.outbox == OutboxSettings()
    assert settings.uplink == UplinkSettings()
    assert len(list(plan(settings))) == 28
    load_broker(SAMPLE)


def test_a_fault_of_each_entry_is_in_one_message(tmp_path: Path) -> None:
    text = faults(
        tmp_path,
        '[edge]\ngateway = "gw 1"\n'
        + modbus(registers='{ address = 70000, metric = "rian" }, { address = 1, metric = "rain", unit = "Cel" }')
        + '[[edge.text]]\nport = "/dev/ttyY"\nfields = [{ index = 1, metric = "rain", unit = "furlong" }]\n',
    )
    for wanted in ("'gw 1'", "70000", "'rian'", "'Cel'", "'mm'", "'furlong'", "device_index"):
        assert wanted in text, text
    assert "[edge] modbus[0] slaves[0] registers[1]: metric 'rain'" in text


def test_unknown_keys_are_told_with_what_was_meant(tmp_path: Path) -> None:
    text = faults(tmp_path, f'[edge]\ngatway = "gw"\n{modbus()}baud = 1\n')
    assert "unknown key 'gatway'; did you mean 'gateway'?" in text
    assert "slaves[0]: unknown key 'baud'" in text


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (
            modbus() + modbus("/dev/ttyY"),
            "device 'a' is the name of two devices: unit 1 of /dev/ttyX and unit 1 of /dev/tt",
        ),
        (modbus(registers=f"{REGISTER}, {REGISTER.replace('0', '1')}"), "device 'a' has the metric 'rain' twice"),
        (modbus() + modbus(device="b"), "'/dev/ttyX' is used 2 times"),
        (modbus_tcp("Gate.local") + modbus_tcp("gate.local", device="b"), "'gate.local:502' is used 2 times"),
        (modbus_tcp("gate", unit=256), "unit = 256 is not between 0 and 255"),
        (modbus().replace("port", 'host = "gate"\nport'), "by `port` or by `host`, one of them"),
        (modbus(device="gw"), "device 'gw' has the gateway's name"),
        (modbus(unit=248), "unit = 248 is not between 1 and 247"),
        (modbus(registers='{ address = 0, metric = "rain", type = "int8" }'), "type"),
        (modbus(registers='{ address = 0, metric = "rain", scale = 0 }'), "scale"),
        (modbus(registers='{ address = 0, metric = "rain", type = "bool" }'), "coil"),
        ("", "nothing to read"),
        (frames(nodes='{ node = 1, device = "a" }, { node = 1, device = "b" }'), "node 1 is there twice"),
        (frames(nodes='{ node = 65536, device = "a" }'), "node = 65536 is not between 0 and 65535"),
        (frames(metrics=f"{METRIC}, {METRIC}"), "metric id 1 is there twice"),
        (frames(metrics='{ id = 256, metric = "rain" }'), "id = 256 is not between 0 and 255"),
        (frames(nodes=""), "nodes is empty"),
        (frames(metrics=""), "metrics is empty"),
        (frames() + modbus(), "device 'a' is the name of two devices"),
        (sdi12('address = "00"'), "address '00' is not one of"),
        (sdi12('address = "0"', command="MC"), "command 'MC' is not M or C"),
        (sdi12('address = "0"', index=99), "index = 99 is not between 0 and 98"),
        (sdi12('address = "0"') + sdi12('address = "0"', head="", device="b"), "address '0' is listed twice"),
        (nmea('sentence = "MWV", metric = "rain"'), "MWV carries wind_direction, wind_speed; no 'rain'"),
        (nmea('sentence = "MWV", metric = "wind_speed", unit = "m/s"'), "go with XDR, not with MWV"),
        (nmea('sentence = "XDR", metric = "rain"'), "XDR needs a `transducer`"),
        (nmea('sentence = "XDR", metric = "rain", transducer = "V,0"'), "and a `unit`"),
        (
            nmea('sentence = "MWV", metric = "wind_speed" }, { sentence = "MDA", metric = "wind_speed"'),
            "device 'w' has the metric 'wind_speed' twice: MWV and MDA",
        ),
        ('timezone = "Asia/Edo"\n', "timezone 'Asia/Edo'"),
        ('[[edge.mqtt]]\nurl = "http://x"\ntopics = [{filter = "a/#/b", device = "d", fields = []}]\n', "'a/#/b'"),
        (
            (
                '[[edge.mqtt]]\nurl = "http://x"\n'
                'topics = [{filter = "a", device = "d", fields = [{path = "p", metric = "rain"}]}]\n'
            ),
            "url 'http://x'",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, more: str, wanted: str) -> None:
    assert wanted in faults(tmp_path, f'[edge]\ngateway = "gw"\n{more}')


def test_two_units_on_one_bus_must_differ(tmp_path: Path) -> None:
    slave = f'[[edge.modbus.slaves]]\nunit = 1\ndevice = "b"\nregisters = [{REGISTER}]\n'
    assert "unit 1 is listed twice" in faults(tmp_path, f'[edge]\ngateway = "gw"\n{modbus()}{slave}')


def test_check_prints_what_would_be_read_and_opens_nothing(tmp_path: Path) -> None:
    done = satomori("edge", "--check", "--json", "--config", str(SAMPLE), "--state", str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows[0]["device"] == "soil-1"
    assert not (tmp_path / "state").exists()


def test_check_ends_with_2_and_names_the_faults_of_broker_and_edge(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(f'[broker]\nprot = 1\n[edge]\ngateway = "gw"\n{modbus(unit=0)}', encoding="utf-8")
    done = satomori("edge", "--check", "--config", str(config))
    assert done.returncode == 2
    assert "prot" in done.stderr
    assert "unit = 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_settings_file_it_says_what_to_do(tmp_path: Path) -> None:
    done = satomori("edge", "--check", cwd=tmp_path)
    assert done.returncode == 2
    assert "--config" in done.stderr
