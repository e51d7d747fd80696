"""Settings of an agent for tests: a Modbus line, and all other kinds of sources."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.sdi12_sensors import Sensor, sensors
from support.serial import Cable, cable


def write_config(folder: Path, url: str, line: Cable, *, more: str = "", interval_s: float = 0.1) -> Path:
    config = folder / "edge.toml"
    config.write_text(
        f'[broker]\nurl = "{url}"\n'
        '[edge]\ngateway = "gw"\nhealth_interval_s = 0.5\n'
        "uplink = { pack_age_s = 0.05, ack_timeout_s = 1, reconnect_max_s = 0.5 }\n"
        f'[[edge.modbus]]\nport = "{line.near}"\ninterval_s = {interval_s}\ntimeout_s = 2\n'
        '[[edge.modbus.slaves]]\nunit = 1\ndevice = "a"\n'
        'registers = [{ address = 0, metric = "rain", unit = "mm" }, { address = 1, metric = "flow" }]\n' + more,
        encoding="utf-8",
    )
    return config


@contextmanager
def other_sources(folder: Path, url: str) -> Iterator[str]:
    """The settings of all other sources, so that an agent with all of them is weighed."""
    with ExitStack() as stack:
        text, nmea, frames, sdi12 = (
            stack.enter_context(cable(folder, name)) for name in ("text", "nmea", "frames", "sdi12")
        )
        stack.enter_context(sensors(sdi12.far, Sensor("0", {"M": ["+1"]})))
        yield (
            f'[[edge.text]]\nport = "{text.near}"\ndevice = "t"\nfields = [{{ index = 0, metric = "rain" }}]\n'
            f'[[edge.nmea]]\nport = "{nmea.near}"\ndevice = "n"\n'
            'fields = [{ sentence = "MWV", metric = "wind_speed" }]\n'
            f'[[edge.sdi12]]\nport = "{sdi12.near}"\n'
            '[[edge.sdi12.sensors]]\naddress = "0"\ndevice = "s"\nvalues = [{ index = 0, metric = "rain" }]\n'
            f'[[edge.frames]]\nport = "{frames.near}"\nnodes = [{{ node = 1, device = "f" }}]\n'
            'metrics = [{ id = 1, metric = "rain" }]\n'
            f'[[edge.mqtt]]\nurl = "{url}"\ntopics = [{{ filter = "z/+", device_level = 1, '
            'fields = [{ path = "v", metric = "rain" }] }]\n'
        )
