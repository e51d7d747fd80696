"""The dialog that asks for a note before something is recorded: acknowledging, judging, checking off."""

from collections.abc import Awaitable, Callable

from nicegui import background_tasks, ui

from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.kit import tag, words

NOTE_MOST = 500

Record = Callable[[str | None], Awaitable[None]]


class NoteDialog:
    """One for a page: `ask` fills it and opens it."""

    def __init__(self, frame: Frame) -> None:
        self._record: Record | None = None
        with ui.dialog() as self._dialog, tag("form", "dialog", role="dialog", aria_modal="true") as form:
            self._title = words("h2", "", "")
            self._what = words("p", "", "")
            with tag("div", "field"):
                tag("label", text=frame.word("alerts.note"), for_="alert-note")
                self._note = ui.textarea().props(f"outlined autogrow maxlength={NOTE_MOST}").props("for=alert-note")
                self._hint = words("span", "quiet", "")
            with tag("div", "dialog-foot"):
                cancel = tag("button", "btn", text=frame.word("alerts.cancel"), type="button")
                cancel.on("click", self._close)
                self._button = words("button", "btn main", "")
                self._button.props["type"] = "submit"
        form.on("submit.prevent", lambda _: background_tasks.create(self._confirm(), context=form))

    def ask(self, title: str, what: str, hint: str, button: str, record: Record) -> None:
        """`record` gets the note, None where there is none."""
        self._title.text, self._what.text, self._hint.text, self._button.text = title, what, hint, button
        self._note.value = ""
        self._record = record
        self._dialog.value = True

    def _close(self) -> None:
        self._dialog.value = False

    async def _confirm(self) -> None:
        record, self._record = self._record, None  # a second press of the button finds nothing to do
        if record is None:
            return
        self._close()
        await record((self._note.value or "").strip()[:NOTE_MOST] or None)
