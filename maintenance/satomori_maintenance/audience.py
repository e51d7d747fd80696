"""Which assets a receiver may hear of: decided by `satomori_store.access`, like everything that people see."""

from collections.abc import Collection

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_maintenance.settings import ReceiverSettings
from satomori_store.access import Viewer, visible_asset_ids
from satomori_store.models import Organisation, Version


class Audience:
    """Looks a receiver's assets up once for each version of the registry."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self._version: int | None = None
        self._visible: dict[str, Collection[str]] = {}

    def __call__(self, session: Session, receiver: ReceiverSettings) -> Collection[str] | None:
        """The assets' ids; None stands for all."""
        if not receiver.organisations:
            return None
        version = session.scalars(select(Version.version)).first()
        if version != self._version:
            self._version, self._visible = version, {}
        if receiver.name not in self._visible:
            self._visible[receiver.name] = self._look_up(session, receiver)
        return self._visible[receiver.name]

    def _look_up(self, session: Session, receiver: ReceiverSettings) -> Collection[str]:
        known = set(session.scalars(select(Organisation.id).where(Organisation.id.in_(receiver.organisations))))
        visible: set[str] = set()
        for organisation in receiver.organisations:
            if organisation not in known:
                self._log.warning(
                    "a receiver's organisation is not in the registry",
                    receiver=receiver.name,
                    organisation=organisation,
                )
                continue
            viewer = Viewer(f"receiver:{receiver.name}", organisation, "viewer", receiver.language)
            visible |= visible_asset_ids(session, viewer)
        return visible
