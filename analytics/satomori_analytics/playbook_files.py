"""Playbooks as TOML files: ours, and those that a municipality lays over them key by key. Connects to nothing."""

import functools
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from satomori_analytics.overlays import overlaid
from satomori_analytics.playbook import Playbook, Playbooks
from satomori_analytics.playbook_faults import Fault, read_document
from satomori_core.classes import classes
from satomori_core.errors import SettingsError
from satomori_core.settings import read_toml, suggest


@dataclass(frozen=True, slots=True)
class Laid:
    """A playbook as one file leaves it, with all that is below. `playbook` is None where there are faults."""

    file: str
    class_: str
    municipality: str
    document: Mapping[str, Any] = field(default_factory=dict)
    playbook: Playbook | None = None
    faults: tuple[Fault, ...] = ()


def load_playbooks(folder: Path | None = None) -> Playbooks:
    """The package's playbooks, with those of `folder` laid over them. Raise SettingsError that tells all faults.

    `folder/<class>.toml` changes the class for everybody, `folder/<municipality>/<class>.toml` for one municipality.
    A file needs only the keys that differ.
    """
    ours = shipped()
    own = () if folder is None else read_folder(folder)
    faults = [fault for laid in (*ours.values(), *own) for fault in laid.faults]
    if faults:
        raise SettingsError("\n".join(map(str, faults)))
    general = {name: laid.playbook for name, laid in ours.items() if laid.playbook}
    general |= {laid.class_: laid.playbook for laid in own if laid.playbook and not laid.municipality}
    return Playbooks(
        general,
        {(laid.municipality, laid.class_): laid.playbook for laid in own if laid.playbook and laid.municipality},
    )


@functools.cache
def shipped() -> Mapping[str, Laid]:
    """The package's own, by class."""
    folder = files(__package__).joinpath("playbooks")
    found = {}
    for class_ in classes():
        document = tomllib.loads(folder.joinpath(f"{class_}.toml").read_text(encoding="utf-8"))
        file = f"{class_}.toml of Satomori"
        playbook, faults = read_document(document, {}, {}, file)
        found[class_] = Laid(file, class_, "", document, playbook, tuple(faults))
    return found


def read_folder(folder: Path) -> tuple[Laid, ...]:
    """All playbooks of a folder, those for everybody first. Raise SettingsError where it is none."""
    if not folder.is_dir():
        raise SettingsError(f"playbooks_dir {folder}: no such folder")
    general = {path.stem: _lay(path, "", shipped()) for path in sorted(folder.glob("*.toml"))}
    below = {**shipped(), **general}
    own = (_lay(path, path.parent.name, below) for path in sorted(folder.glob("*/*.toml")))
    return (*general.values(), *own, *_unread(folder))


def _unread(folder: Path) -> Iterator[Laid]:
    """What looks like a playbook, and stands where, or is called so that, it is none."""
    deep = [(path, "is not read: move it up") for path in sorted(folder.glob("*/*/*.toml"))]
    found = sorted({*folder.glob("*"), *folder.glob("*/*")})
    odd = [(path, f"is not read: call it {_class_of(path)}.toml") for path in found if _is_misnamed(path)]
    for path, text in (*deep, *odd):
        file = str(path)
        yield Laid(file, _class_of(path), "", faults=(Fault(file, "", "", text),))


def _class_of(path: Path) -> str:
    return path.name.split(".")[0]


def _is_misnamed(path: Path) -> bool:
    """As editors and habits end a file's name."""
    end = path.name.removeprefix(_class_of(path)).lower()
    own = end in {".tml", ".yaml", ".yml", ".toml.txt"} or (end == ".toml" and path.suffix != ".toml")
    return own and _class_of(path) in classes()


def read_files(paths: Iterable[Path]) -> list[Laid]:
    """Single files or whole folders; below a file is that of its name in the folder above, where there is one."""
    found: list[Laid] = []
    for path in paths:
        if path.is_dir():
            found += read_folder(path)
            continue
        if _is_misnamed(path):
            found += [laid for laid in _unread(path.parent) if laid.file == str(path)]
            continue
        above = path.absolute().parent.parent / path.name
        if above.exists():
            general = _lay(above, "", shipped())
            found.append(_lay(path, path.absolute().parent.name, {**shipped(), general.class_: general}))
        else:
            found.append(_lay(path, "", shipped()))
    return found


def _lay(path: Path, municipality: str, below: Mapping[str, Laid]) -> Laid:
    laid, file, class_ = below.get(path.stem), str(path), path.stem
    if laid is None or class_ not in classes():
        fault = Fault(file, "", "", f"unknown asset class {class_!r}{suggest(class_, classes())}: rename the file")
        return Laid(file, class_, municipality, faults=(fault,))
    try:
        override = read_toml(path)
    except SettingsError as error:
        return Laid(file, class_, municipality, faults=(Fault(file, "", "", str(error).removeprefix(f"{file}: ")),))
    document = overlaid(laid.document, override)
    playbook, faults = read_document(document, override, laid.document, file)
    known = {(fault.table, fault.key, fault.text) for fault in laid.faults}  # they are told of where they stand
    faults = [fault for fault in faults if (fault.table, fault.key, fault.text) not in known]
    return Laid(file, class_, municipality, document, playbook, tuple(faults))
