"""How views look on the wire: `…_us` becomes RFC 3339 text without the suffix, `class_` `class`, a Level its word.

The pydantic models, and so the OpenAPI schema, are made from the views' own fields: a view is described once.
"""

import functools
import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, create_model

from satomori_core.clock import to_datetime
from satomori_core.vocabulary import Level

LevelWord = Literal["good", "unknown", "watch", "warning", "danger"]


def level_of(word: LevelWord) -> Level:
    return Level[word.upper()]


def to_wire(value: Any) -> Any:  # noqa: ANN401 - any view, or what its fields hold
    """A view as plain values, for a model made by `model_of`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_wire_name(field.name): _time_or(field.name, getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Level):
        return value.name.lower()
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    return value


@functools.cache
def model_of(view: type) -> type[BaseModel]:
    """The pydantic model of a view, named after it."""
    hints = get_type_hints(view)
    columns: dict[str, Any] = {
        _wire_name(field.name): (_wire_type(field.name, hints[field.name]), ...) for field in fields(view)
    }
    return create_model(view.__name__.removesuffix("View"), __doc__=_first_words(view), **columns)


def page_of(view: type) -> type[BaseModel]:
    """A page of such views, and where the next one is."""
    return _page_of(model_of(view))


@functools.cache
def _page_of(model: type[BaseModel]) -> type[BaseModel]:
    return create_model(
        f"{model.__name__}Page",
        __doc__="One page. `next`: the path of the following one, null on the last.",
        items=(list[model], ...),  # type: ignore[valid-type]
        next=(str | None, None),
    )


def _wire_name(name: str) -> str:
    return {"class_": "class"}.get(name, name.removesuffix("_us"))


def _time_or(name: str, value: Any) -> Any:  # noqa: ANN401 - a field's value
    if name.endswith("_us") and isinstance(value, int):
        return to_datetime(value)
    if name.endswith("_us") and isinstance(value, tuple):
        return [to_datetime(item) for item in value]
    return to_wire(value)


def _wire_type(name: str, hint: Any) -> Any:  # noqa: ANN401 - a type hint
    if name.endswith("_us") and get_origin(hint) is tuple:
        return list[datetime]
    if name.endswith("_us"):
        return datetime | None if type(None) in get_args(hint) else datetime
    return _plain_type(hint)


def _plain_type(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    if hint is Level:
        return LevelWord
    if is_dataclass(hint):
        return model_of(hint)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        return functools.reduce(lambda a, b: a | b, (_plain_type(argument) for argument in arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return list[_plain_type(arguments[0])]  # type: ignore[misc]
    return hint


def _first_words(view: type) -> str:
    return (view.__doc__ or "").replace("_us`", "`").replace("`None`", "null")


def cut_page(items: Sequence[Any], limit: int) -> tuple[Sequence[Any], bool]:
    """`items` has one more than `limit` where another page follows."""
    return items[:limit], len(items) > limit
