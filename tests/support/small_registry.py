"""A small registry as a file's text: one town with one field, and what a test puts there, table by table."""

TOWN = """
[[organisation]]
id = "town"
kind = "municipality"
name = "里町"
name_en = "Sato Town"

[[site]]
id = "field"
organisation = "town"
name = "田"
name_en = "Field"
latitude = 36.0
longitude = 138.0
"""


def asset(id_: str = "paddy-1", class_: str = "paddy") -> str:
    return f'\n[[asset]]\nid = "{id_}"\nsite = "field"\nmunicipality = "town"\nclass = "{class_}"\n{_named(id_)}'


def gateway(id_: str, kind: str = "edge") -> str:
    return f'\n[[gateway]]\nid = "{id_}"\nsite = "field"\nkind = "{kind}"\n{_named(id_)}'


def device(id_: str, gateway_: str) -> str:
    return f'\n[[device]]\nid = "{id_}"\ngateway = "{gateway_}"\n{_named(id_)}'


def datastream(device_: str, metric: str, asset_: str = "paddy-1", more: str = "") -> str:
    """`more`: further lines of the table."""
    return f'\n[[datastream]]\nasset = "{asset_}"\ndevice = "{device_}"\nmetric = "{metric}"\n{more}\n'


def _named(id_: str) -> str:
    return f'name = "{id_}"\nname_en = "{id_}"\n'
