"""Writes TOML: scalars, lists and inline tables of them, in tables and arrays of tables. The reader is tomllib."""

import json
from collections.abc import Iterable, Mapping


def literal(value: object) -> str:
    """A value as TOML writes it. JSON's escapes of text are TOML's too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {literal(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(inner) for inner in value)}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def table(header: str, row: Mapping[str, object]) -> str:
    """`header` and a key a line; keys whose value is None are left out. A list of tables has a line for each."""
    lines = [header]
    for key, value in row.items():
        if value is None:
            continue
        if isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
            lines += [f"{key} = [", *(f"  {literal(inner)}," for inner in value), "]"]
        else:
            lines.append(f"{key} = {literal(value)}")
    return "\n".join(lines) + "\n"


def tables(header: str, rows: Iterable[Mapping[str, object]]) -> str:
    return "\n".join(table(header, row) for row in rows)
