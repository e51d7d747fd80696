"""Who may see and do what: the one place where access is decided, for routes, streams, exports, pages and messages.

An organisation sees the assets that it owns, and those that another shares with it: all of them, or those of a group.
It operates what it owns, and what is shared with it by a share that says so. A device follows the assets that it
measures: one of them makes it known, and all of them are needed to change how often it is asked.
What one may not see, one may not know of either: it is not found.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from satomori_core.errors import NotFoundError
from satomori_store.models import Asset, Datastream, Device, GroupMember, Placement, Share, holds

Action = Literal["see", "acknowledge", "operate", "edit_registry", "admin"]
Role = Literal["viewer", "crew", "engineer", "admin"]

_ALLOWED: dict[str, frozenset[Action]] = {
    "viewer": frozenset({"see"}),
    "crew": frozenset({"see", "acknowledge", "operate"}),
    "engineer": frozenset({"see", "acknowledge", "operate", "edit_registry"}),
    "admin": frozenset({"see", "acknowledge", "operate", "edit_registry", "admin"}),
}


class ForbiddenError(NotFoundError):
    """The asker may see the thing, but not do this with it: no secret is told by saying so."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. `organisation_id` None: of no organisation, so only an admin sees anything."""

    user_id: str
    organisation_id: str | None
    role: str
    language: str = "ja"

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


def may(viewer: Viewer, action: Action) -> bool:
    """Whether the role allows it at all; whether this asset is the viewer's is `require`'s to say."""
    return action in _ALLOWED.get(viewer.role, frozenset())


def visible_assets(viewer: Viewer) -> Select[str]:
    """The ids of the assets that the viewer may see, as a query to join with others."""
    return _reached(viewer, "see")


def operable_assets(viewer: Viewer) -> Select[str]:
    """The ids of the assets whose actuators the viewer may operate, as a query to join with others."""
    return _reached(viewer, "operate", Share.operate.is_(True))


def _reached(viewer: Viewer, action: Action, *conditions: ColumnElement[bool]) -> Select[str]:
    """Those of the viewer's organisation, and those that shares give it which keep to `conditions`."""
    query = select(Asset.id)
    if viewer.is_admin:
        return query
    if not may(viewer, action) or viewer.organisation_id is None:
        return query.where(Asset.id.is_(None))
    given = (Share.with_id == viewer.organisation_id, *conditions)
    whole = select(Share.organisation_id).where(*given, Share.group_id.is_(None))
    # A share of a group gives what its giver owns in it, not what others have in the same group.
    part = (
        select(GroupMember.asset_id)
        .join(Share, Share.group_id == GroupMember.group_id)
        .join(Asset, Asset.id == GroupMember.asset_id)
        .where(*given, Share.organisation_id == Asset.organisation_id)
    )
    return query.where(
        or_(Asset.organisation_id == viewer.organisation_id, Asset.organisation_id.in_(whole), Asset.id.in_(part))
    )


def visible_devices(viewer: Viewer, at_us: int) -> Select[str]:
    """The ids of those that measure at an asset that is seen, or behind a gateway whose asset is seen."""
    return _devices_through(visible_assets(viewer), at_us)


def operable_devices(viewer: Viewer, at_us: int) -> Select[str]:
    """The ids of those that measure nothing at an asset that the viewer may not operate."""
    mine = operable_assets(viewer)
    foreign = select(Datastream.device_id).where(Datastream.asset_id.not_in(mine), *holds(Datastream, at_us))
    return _devices_through(mine, at_us).where(Device.id.not_in(foreign))


def _devices_through(assets: Select[str], at_us: int) -> Select[str]:
    measuring = select(Datastream.device_id).where(Datastream.asset_id.in_(assets), *holds(Datastream, at_us))
    behind = select(Placement.device_id).where(Placement.gateway_id.in_(assets), *holds(Placement, at_us))
    return select(Device.id).where(or_(Device.id.in_(measuring), Device.id.in_(behind)))


def visible_asset_ids(session: Session, viewer: Viewer) -> set[str]:
    return set(session.scalars(visible_assets(viewer)))


def require(
    viewer: Viewer,
    action: Action,
    session: Session | None = None,
    *,
    asset_id: str | None = None,
    organisation_id: str | None = None,
) -> None:
    """Pass, or raise NotFoundError for what the viewer may not know of, ForbiddenError for what they may not do.

    `asset_id` needs `session`. Seeing and acknowledging reach what is shared, operating what is shared for that; the
    registry may be edited only where it is one's own organisation's. `organisation_id`: of the thing that is edited.
    """
    own = viewer.organisation_id
    if asset_id is not None:
        if session is None:
            raise TypeError("asset_id needs a session")
        owner = session.scalar(
            select(Asset.organisation_id).where(Asset.id == asset_id, Asset.id.in_(visible_assets(viewer)))
        )
        if owner is None:
            raise NotFoundError(f"asset {asset_id!r} is not there")
        organisation_id = owner if organisation_id is None else organisation_id
    if not may(viewer, action):
        raise ForbiddenError(f"the role {viewer.role!r} may not do this ({action})")
    if action == "operate" and session is not None and asset_id is not None:
        mine = select(Asset.id).where(Asset.id == asset_id, Asset.id.in_(operable_assets(viewer)))
        if session.scalar(mine) is None:
            raise ForbiddenError(f"asset {asset_id!r} belongs to another organisation, which only lets yours see it")
    if action == "edit_registry" and not viewer.is_admin and organisation_id is not None and organisation_id != own:
        if asset_id is None:
            raise NotFoundError(f"organisation {organisation_id!r} is not there")
        raise ForbiddenError(f"asset {asset_id!r} belongs to another organisation; only its own may change it")
