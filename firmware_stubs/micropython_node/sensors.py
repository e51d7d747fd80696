"""Where values come from. A sensor has `read()`: a value, or None where there is none. Add your own to `make`."""

import json


class Adc:
    """A pin of a board: volts x scale + offset."""

    def __init__(self, pin: int, scale: float, offset: float) -> None:
        from machine import ADC, Pin  # noqa: PLC0415 - boards only

        self._converter = ADC(Pin(pin))
        self._scale, self._offset = scale, offset

    def read(self) -> float | None:
        return float(self._converter.read_uv() / 1e6 * self._scale + self._offset)


class Simulated:
    """A random walk between 0 and 100 in steps of eighths, which every width of floats says alike."""

    def __init__(self, seed: int, metric: str) -> None:
        self._state = seed + sum(metric.encode())
        self._eighths = 400

    def read(self) -> float | None:
        self._state = (self._state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF  # C's old rand()
        self._eighths = min(max(self._eighths + (self._state >> 16) % 17 - 8, 0), 800)
        return self._eighths / 8


class File:
    """A JSON object, {"<metric>": value}, that another program writes."""

    def __init__(self, path: str, metric: str) -> None:
        self._path, self._metric = path, metric

    def read(self) -> float | None:
        try:
            with open(self._path) as file:
                return float(json.load(file)[self._metric])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def make(settings: dict, metric: dict) -> Adc | Simulated | File:
    """The sensor of one metric, as the setting `sensor` names it. Raise ValueError for an unknown one."""
    kind = settings["sensor"]
    if kind == "adc":
        return Adc(metric["pin"], metric["scale"], metric.get("offset", 0.0))
    if kind == "simulated":
        return Simulated(settings["seed"], metric["metric"])
    if kind == "file":
        return File(settings["file"], metric["metric"])
    raise ValueError(f"sensor {kind!r}: adc, simulated or file")
