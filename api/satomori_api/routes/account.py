"""Log in and out, who am I, and users (administrators)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from satomori_api.auth import Context, TheViewer, address_of, end_session, link_url
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_api.views import UserView
from satomori_api.wire import model_of, page_of, to_wire
from satomori_store import access
from satomori_store.access import Viewer

router = APIRouter(tags=["account / 利用者"])
UserId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Strict):
    user: UserId
    password: Annotated[str, Field(max_length=1000)]


class NewSession(BaseModel):
    """`token`: for `Authorization: Bearer …`, until it expires or you log out."""

    token: str


class Settings(_Strict):
    language: Literal["ja", "en"]


class Invitation(_Strict):
    """`organisation` null: only for administrators."""

    id: UserId
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    organisation: Word | None = None
    role: Literal["viewer", "crew", "engineer", "admin"] = "viewer"
    language: Literal["ja", "en"] = "ja"


class Link(BaseModel):
    """A one-time link: give it to the user over a way that you trust."""

    user: str
    url: str


@router.post("/session", status_code=201, summary="Log in / ログイン")
def log_in(request: Request, context: Context, body: Credentials) -> NewSession:
    """A token for programs; browsers use /login. Several wrong passwords make you wait (429)."""
    return NewSession(token=context.accounts.log_in(body.user, body.password, address_of(request)))


@router.delete("/session", status_code=204, summary="Log out / ログアウト")
def log_out(request: Request, _: TheViewer, context: Context) -> Response:
    """End this session."""
    response = Response(status_code=204)
    end_session(request, response, context)
    return response


@router.get("/me", response_model=model_of(UserView), summary="Who am I / 自分")
def me(viewer: TheViewer, context: Context) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.accounts.user(viewer.user_id))


@router.patch("/me", response_model=model_of(UserView), summary="My language / 表示言語")
def change_me(viewer: TheViewer, context: Context, body: Settings) -> Any:  # noqa: ANN401 - made by model_of
    context.accounts.set_language(viewer.user_id, body.language)
    return to_wire(context.accounts.user(viewer.user_id))


@router.get("/users", response_model=page_of(UserView), summary="Users / 利用者一覧")
def users(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """Administrators only, as everything about users."""
    _admin(viewer)
    return page.of(context.accounts.users())


@router.post("/users", status_code=201, summary="Invite a user / 利用者を招待")
def invite(viewer: TheViewer, context: Context, body: Invitation) -> Link:
    """Makes the user and a one-time link with which they set their password."""
    _admin(viewer)
    token = context.accounts.invite(
        user_id=body.id,
        name=body.name,
        organisation_id=body.organisation,
        role=body.role,
        language=body.language,
        by=viewer.user_id,
    )
    return Link(user=body.id, url=link_url(context, token))


@router.post("/users/{user_id}/link", status_code=201, summary="A new link / リンク再発行")
def new_link(viewer: TheViewer, context: Context, user_id: str) -> Link:
    """For somebody who has lost access. Their older links are void."""
    _admin(viewer)
    return Link(user=user_id, url=link_url(context, context.accounts.new_link(user_id, by=viewer.user_id)))


@router.delete("/users/{user_id}", status_code=204, summary="Remove a user / 利用者を削除")
def remove(viewer: TheViewer, context: Context, user_id: str) -> Response:
    """Ends their sessions too. Nobody removes themselves."""
    _admin(viewer)
    context.accounts.remove(user_id, by=viewer.user_id)
    return Response(status_code=204)


def _admin(viewer: Viewer) -> None:
    access.require(viewer, "admin")
