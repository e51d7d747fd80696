"""The few building blocks that every page uses: elements by tag, level glyphs, sections that redraw only on change."""

from collections.abc import Callable
from typing import Generic, TypeVar

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from satomori_api.formatting import Language
from satomori_core.vocabulary import Level
from satomori_dashboards.console.texts import level_word

Model = TypeVar("Model")

# Shape, colour and sign each tell the level on their own: circle, dashed ring, diamond, triangle, octagon.
_SHAPES = {
    Level.GOOD: '<circle cx="12" cy="12" r="10" fill="#23784a"/>'
    '<path d="M7.3 12.4l3.2 3.2 6.2-6.6" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"'
    ' stroke-linejoin="round"/>',
    Level.UNKNOWN: '<circle cx="12" cy="12" r="9.2" fill="#fff" stroke="#5f6b73" stroke-width="2"'
    ' stroke-dasharray="3.6 2.2"/><path d="M9.4 9.6a2.7 2.7 0 1 1 3.9 2.4c-.9.5-1.3.9-1.3 1.9" fill="none"'
    ' stroke="#434d54" stroke-width="2" stroke-linecap="round"/><circle cx="12" cy="17" r="1.3" fill="#434d54"/>',
    Level.WATCH: '<path d="M12 1.2L22.8 12 12 22.8 1.2 12z" fill="#f0b429" stroke="#6a4700" stroke-width="1.2"'
    ' stroke-linejoin="round"/><path d="M12 7v6" stroke="#2b1d00" stroke-width="2.4" stroke-linecap="round"/>'
    '<circle cx="12" cy="16.6" r="1.4" fill="#2b1d00"/>',
    Level.WARNING: '<path d="M12 1.8L23 21.4H1z" fill="#c94f08" stroke="#fff" stroke-width="1.4"'
    ' stroke-linejoin="round"/><path d="M12 8.6v6" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/>'
    '<circle cx="12" cy="18" r="1.4" fill="#fff"/>',
    Level.DANGER: '<path d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z" fill="#b3131f" stroke="#fff"'
    ' stroke-width="1.4" stroke-linejoin="round"/><path d="M8 8l8 8M16 8l-8 8" stroke="#fff" stroke-width="2.6"'
    ' stroke-linecap="round"/>',
}  # fmt: skip

MARK = (
    '<svg viewBox="0 0 40 40" aria-hidden="true"><rect width="40" height="40" rx="11" fill="#1c5a48"/>'
    '<path d="M6 24.5c4.5-7 8-10.4 11-10.4 3.6 0 4.6 6 8.6 6 2.4 0 4.6-2 8.4-6.1V29a5 5 0 0 1-5 5H11a5 5 0 0 1-5-5z"'
    ' fill="#8fc7ab"/><path d="M6 30c6-3 10-4.4 14-4.4S28 27 34 30v-1a5 5 0 0 1-5 5H11a5 5 0 0 1-5-4z" fill="#e9f4ee"/>'
    '<circle cx="28.4" cy="10.6" r="3.4" fill="#f0b429"/></svg>'
)
_STROKE = 'fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"'
ICONS = {
    "region": f'<path {_STROKE} d="M3 6.5l6-2.5 6 2.5 6-2.5v13.5L15 20l-6-2.5L3 20zM9 4v13.5M15 6.5V20"/>',
    "assets": f'<path {_STROKE} d="M4 6h16M4 12h16M4 18h16"/>',
    "alerts": f'<path {_STROKE} d="M6 16V11a6 6 0 1 1 12 0v5l1.6 2H4.4zM10 21h4"/>',
    "look": f'<path {_STROKE} d="M12 21s-6.5-6-6.5-11.200a6.5 6.5 0 0 1 13 0C18.5 15 12 21 12 21z"/>'
    '<circle cx="12" cy="9.8" r="2.2" fill="currentColor"/>',
    "devices": f'<path {_STROKE} d="M12 13v8M8 21h8M7.8 15.2a6 6 0 1 1 8.4 0M4.9 18a10 10 0 1 1 14.2 0"/>'
    '<circle cx="12" cy="11" r="1.8" fill="currentColor"/>',
    "account": f'<circle {_STROKE} cx="12" cy="8.5" r="4"/><path {_STROKE} d="M4.5 20.5c1-4 4-6 7.5-6s6.5 2 7.5 6"/>',
    "language": f'<circle {_STROKE} cx="12" cy="12" r="9"/><path {_STROKE} d="M3 12h18M12 3c3 3 3.6 6 3.6 9s-.6 6-3.6 9'
    'c-3-3-3.6-6-3.6-9s.6-6 3.6-9z"/>',
    "back": f'<path {_STROKE} d="M15 5l-7 7 7 7"/>',
    "next": f'<path {_STROKE} d="M9 5l7 7-7 7"/>',
}


def tag(name: str, classes: str = "", /, text: str | None = None, **attributes: str | int | bool) -> Element:
    """An HTML element. `aria_label=…` becomes `aria-label`; a trailing underscore is dropped (`for_`)."""
    made = ui.element(name) if text is None else TextElement(tag=name, text=text)
    if classes:
        made.classes(classes)
    for key, value in attributes.items():
        made.props[key.rstrip("_").replace("_", "-")] = value
    return made


def words(name: str, classes: str, shown: str) -> TextElement:
    """An element whose `text` will change."""
    return TextElement(tag=name, text=shown).classes(classes)


def svg(content: str, classes: str = "") -> Element:
    """One of this module's own drawings: never anything that came from outside."""
    return ui.html(content, sanitize=False, tag="span").classes(classes)


def icon(name: str) -> Element:
    return svg(f'<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">{ICONS[name]}</svg>', "glyph")


def glyph_svg(level: Level) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true">{_SHAPES[level]}</svg>'


def glyph(level: Level, classes: str = "") -> Element:
    return svg(glyph_svg(level), f"glyph {classes}")


def level_badge(language: Language, level: Level) -> None:
    with tag("span", f"level l{int(level)}"):
        glyph(level)
        tag("span", text=level_word(language, level))


def empty(message: str) -> None:
    tag("p", "empty", text=message)


def bones(count: int = 3) -> None:
    """What stands where something is still on its way."""
    with tag("div", "loading", aria_hidden="true"):
        for _ in range(count):
            tag("div", "bone")


class Section(Generic[Model]):
    """A part of a page that is redrawn when its model differs from the one shown, and left alone otherwise."""

    def __init__(self, draw: Callable[[Model], None], name: str = "div", classes: str = "", waiting: int = 0) -> None:
        self._draw = draw
        self._shown: Model | None = None
        self.box = tag(name, classes)
        if waiting:
            with self.box:
                bones(waiting)

    def show(self, model: Model) -> None:
        if model == self._shown:
            return
        self._shown = model
        self.box.clear()
        with self.box:
            self._draw(model)
