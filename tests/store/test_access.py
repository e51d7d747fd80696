"""The access matrix: who sees and may do what, over every role, own, shared and foreign assets."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from satomori_core.errors import NotFoundError
from satomori_store.access import Action, ForbiddenError, Viewer, require, visible_asset_ids
from satomori_store.databases import sqlite_engine
from satomori_store.models import Asset, Group, GroupMember, Organisation, Share, Site
from satomori_store.registry import changing
from satomori_store.schema import upgrade

# asset -> owner. The farm shares its group with the town, the river town all it has with the prefecture.
OWNERS = {"f1": "farm", "f2": "farm", "t1": "town", "r1": "river", "r2": "river"}
VISIBLE = {
    "farm": {"f1", "f2"},
    "town": {"t1", "f1"},
    "river": {"r1", "r2"},
    "prefecture": {"r1", "r2"},
    "stranger": set(),
    None: set(),
}
ROLES: dict[str, set[Action]] = {
    "viewer": {"see"},
    "crew": {"see", "acknowledge", "operate"},
    "engineer": {"see", "acknowledge", "operate", "edit_registry"},
    "nonsense": set(),
}
ACTIONS: tuple[Action, ...] = ("see", "acknowledge", "operate", "edit_registry", "admin")
OWN_ONLY = {"operate", "edit_registry"}


@pytest.fixture
def session(tmp_path: Path) -> Generator[Session]:
    engine = sqlite_engine(tmp_path / "registry.sqlite")
    upgrade(engine, "registry")
    with changing(engine) as changes:
        kinds = {"farm": "farm", "prefecture": "prefecture", "stranger": "contractor"}
        for name in ("farm", "town", "river", "prefecture", "stranger"):
            changes.add(Organisation(id=name, kind=kinds.get(name, "municipality"), name=name, name_en=name))
        changes.flush()
        changes.add(Site(id="s", organisation_id="town", name="s", name_en="s", latitude=0, longitude=0))
        changes.flush()
        for asset, owner in OWNERS.items():
            changes.add(
                Asset(
                    id=asset, site_id="s", organisation_id=owner, municipality_id="town", class_="paddy", name=asset,
                    name_en=asset, latitude=0, longitude=0,
                )
            )  # fmt: skip
        changes.add(Group(id="g", name="g", name_en="g"))
        changes.flush()
        # The group also holds an asset of another owner, which the farm's share does not give away.
        changes.add_all(GroupMember(group_id="g", asset_id=asset) for asset in ("f1", "r1"))
        changes.add(Share(organisation_id="farm", with_id="town", group_id="g"))
        changes.add(Share(organisation_id="river", with_id="prefecture", group_id=None))
    with Session(engine) as reading:
        yield reading
    engine.dispose()


def _outcome(session: Session, viewer: Viewer, action: Action, asset: str) -> str:
    try:
        require(viewer, action, session, asset_id=asset)
    except ForbiddenError:
        return "forbidden"
    except NotFoundError:
        return "not found"
    return "allowed"


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize("organisation", list(VISIBLE))
def test_the_matrix(session: Session, organisation: str | None, role: str) -> None:
    """Not found what one may not see; forbidden what one may see but not do; the registry only of one's own."""
    viewer = Viewer("u", organisation, role)
    seen = VISIBLE[organisation] if "see" in ROLES[role] else set()
    assert visible_asset_ids(session, viewer) == seen
    for asset, owner in OWNERS.items():
        for action in ACTIONS:
            expected = "allowed"
            if asset not in seen:
                expected = "not found"
            elif action not in ROLES[role] or (action in OWN_ONLY and owner != organisation):
                expected = "forbidden"
            assert _outcome(session, viewer, action, asset) == expected, (asset, action)


def test_a_share_lets_others_operate_only_where_it_says_so(session: Session) -> None:
    """Its own group's asset then, by those whose role operates; the share that only shows stays as it was."""
    session.execute(update(Share).where(Share.organisation_id == "farm").values(operate=True))
    assert _outcome(session, Viewer("u", "town", "crew"), "operate", "f1") == "allowed"
    assert _outcome(session, Viewer("u", "town", "viewer"), "operate", "f1") == "forbidden"
    assert _outcome(session, Viewer("u", "town", "crew"), "operate", "f2") == "not found"
    assert _outcome(session, Viewer("u", "prefecture", "crew"), "operate", "r1") == "forbidden"


def test_an_admin_may_everything_but_invent(session: Session) -> None:
    for organisation in VISIBLE:
        viewer = Viewer("u", organisation, "admin")
        assert visible_asset_ids(session, viewer) == OWNERS.keys()
        assert {_outcome(session, viewer, action, asset) for action in ACTIONS for asset in OWNERS} == {"allowed"}
        assert _outcome(session, viewer, "see", "no such asset") == "not found"


def test_another_organisation_is_not_found(session: Session) -> None:
    engineer = Viewer("u", "town", "engineer")
    require(engineer, "edit_registry", session, organisation_id="town")
    with pytest.raises(NotFoundError, match="not there"):
        require(engineer, "edit_registry", session, organisation_id="farm")
    with pytest.raises(ForbiddenError):
        require(Viewer("u", "town", "crew"), "admin")
