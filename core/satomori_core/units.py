"""Units: SenML codes to UCUM, and linear conversion between UCUM codes of one dimension.

UCUM is inside, SenML on the wire. Sources: RFC 8428 section 12.1 and RFC 8798 (secondary units) for the
SenML codes; UCUM 2.2 for the factors, which are definitions.
"""

from dataclasses import dataclass

from satomori_core.errors import RejectedError

# SenML code -> UCUM code, only where the two differ (IANA's SenML units registry, recalled from the two RFCs).
SENML_TO_UCUM = {
    "/": "1", "%RH": "%", "%EL": "%", "EL": "s", "/100": "%", "pH": "[pH]", "count": "{count}", "l": "L", "l/s": "L/s",
    "lat": "deg{lat}", "lon": "deg{lon}", "beat/min": "/min", "1/s": "/s", "1/min": "/min", "ppm": "[ppm]",
    "ppb": "[ppb]", "VA": "V.A", "kVA": "kV.A", "Wh": "W.h", "kWh": "kW.h", "KiB": "KiBy", "B": "By", "NTU": "{NTU}",
    "mg/l": "mg/L", "dBm": "dB[mW]",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scale:
    """To the dimension's base unit: base = value * factor + offset."""

    dimension: str
    factor: float
    offset: float = 0.0


_LINEAR: dict[str, dict[str, float | tuple[float, float]]] = {
    "temperature": {"Cel": (1.0, 273.15), "K": (1.0, 0.0), "[degF]": (5 / 9, 459.67 * 5 / 9)},
    "length": {"m": 1.0, "cm": 0.01, "mm": 0.001, "um": 1e-6, "km": 1000.0, "[ft_i]": 0.3048, "[in_i]": 0.0254},
    "speed": {"m/s": 1.0, "cm/s": 0.01, "mm/s": 0.001, "km/h": 1 / 3.6, "m/h": 1 / 3600, "mm/h": 1e-3 / 3600,
              "[kn_i]": 1852 / 3600, "[mi_i]/h": 1609.344 / 3600},
    "pressure": {"Pa": 1.0, "hPa": 100.0, "kPa": 1000.0, "MPa": 1e6, "bar": 1e5, "mbar": 100.0, "m[H2O]": 9806.65,
                 "mm[Hg]": 133.322, "[in_i'Hg]": 3386.3788},
    "fraction": {"1": 1.0, "%": 0.01, "[ppm]": 1e-6, "[ppb]": 1e-9},
    "conductivity": {"S/m": 1.0, "mS/cm": 0.1, "uS/cm": 1e-4, "mS/m": 1e-3, "dS/m": 0.1},
    "volume": {"m3": 1.0, "L": 1e-3, "mL": 1e-6},
    "volume_flow": {"m3/s": 1.0, "m3/h": 1 / 3600, "m3/d": 1 / 86400, "L/s": 1e-3, "L/min": 1e-3 / 60,
                    "L/h": 1e-3 / 3600, "mL/s": 1e-6},
    "time": {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "angle": {"deg": 1.0, "mrad": 0.001 * 57.29577951308232, "rad": 57.29577951308232},
    "angular_rate": {"deg/h": 1.0, "deg/d": 1 / 24, "deg/s": 3600.0},
    "current": {"A": 1.0, "mA": 1e-3},
    "voltage": {"V": 1.0, "mV": 1e-3, "kV": 1000.0},
    "power": {"W": 1.0, "kW": 1000.0, "MW": 1e6},
    "energy": {"J": 1.0, "kJ": 1e3, "W.h": 3600.0, "kW.h": 3.6e6, "MJ": 1e6},
    "irradiance": {"W/m2": 1.0, "kW/m2": 1000.0},
    "concentration": {"g/m3": 1.0, "mg/L": 1.0, "ug/m3": 1e-6, "kg/m3": 1000.0},
    "frequency": {"Hz": 1.0, "kHz": 1000.0, "/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
    "acceleration": {"m/s2": 1.0, "[g]": 9.80665, "m[g]": 0.00980665},
    "data": {"By": 1.0, "KiBy": 1024.0, "MBy": 1e6},
    "roughness": {"mm/m": 1.0, "m/km": 1.0},
    "strain": {"{strain}": 1.0, "u{strain}": 1e-6},
}  # fmt: skip

_SCALES = {
    code: _Scale(dimension, *spec) if isinstance(spec, tuple) else _Scale(dimension, spec)
    for dimension, codes in _LINEAR.items()
    for code, spec in codes.items()
}
# Codes that are only ever themselves: counts, logarithms, arbitrary units.
_ALONE = {"[pH]", "dB", "dB[mW]", "{count}", "{pF}", "{NTU}", "{bool}", "{state}", "V.A", "kV.A", "lx", "cd/m2",
          "deg{lat}", "deg{lon}", "umol/m2/s", "kg", "N", "kN", "MJ/m2"}  # fmt: skip

UCUM_CODES = frozenset(_SCALES) | frozenset(_ALONE)


def to_ucum(code: str) -> str:
    """UCUM code of a SenML or UCUM code. Raise RejectedError for one that we do not know."""
    ucum = SENML_TO_UCUM.get(code, code)
    if ucum not in UCUM_CODES:
        raise RejectedError("unit", f"unit {code!r} is neither a SenML nor a UCUM code that Satomori knows")
    return ucum


def conversion(source: str, target: str) -> tuple[float, float]:
    """(factor, offset) with target = source * factor + offset; codes as in `to_ucum`.

    Raise RejectedError where the two are not of one dimension.
    """
    source, target = to_ucum(source), to_ucum(target)
    if source == target:
        return 1.0, 0.0
    a, b = _SCALES.get(source), _SCALES.get(target)
    if a is None or b is None or a.dimension != b.dimension:
        raise RejectedError("unit", f"unit {source!r} can't be converted to {target!r}")
    return a.factor / b.factor, (a.offset - b.offset) / b.factor
