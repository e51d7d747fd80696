"""Who asks: the session cookie or a bearer token of a request, and the pages to log in with.

`GET /login?token=…` opens a one-time link and lets its user set a password; `GET /login?next=/…` asks for user and
password. Both end with the cookie that the REST routes, the live stream and the console take. A request that
changes something and comes with a cookie must come from our own pages (Origin, Sec-Fetch-Site).
"""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from satomori_api.context import ApiContext
from satomori_api.login_page import login_page
from satomori_api.refusals import CrossSiteError, RefusedError, TooManyAttemptsError
from satomori_core.errors import RejectedError, SatomoriError
from satomori_store.access import Viewer

COOKIE = "satomori_session"
FIRST_LOGIN_FILE = "first-login.txt"  # in the state folder, until the link is used; `satomori up` shows it
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

router = APIRouter(include_in_schema=False)


def context_of(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(context_of)]


def viewer_of_cookies(context: ApiContext, cookies: Mapping[str, str]) -> Viewer | None:
    """For pages and websockets: who is logged in, None for nobody. Blocks."""
    token = cookies.get(COOKIE)
    return context.accounts.viewer(token) if token else None


_bearer_scheme = HTTPBearer(auto_error=False, description="A token from `POST /api/v1/session`.")
_cookie_scheme = APIKeyCookie(name=COOKIE, auto_error=False, description="The browser's, set by /login.")


def viewer_of(
    request: Request,
    context: Context,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer_scheme)],
    cookie: Annotated[str | None, Depends(_cookie_scheme)],
) -> Viewer:
    """The viewer of a REST request. Raise RefusedError without a valid session."""
    token = bearer.credentials if bearer is not None else cookie
    viewer = context.accounts.viewer(token) if token else None
    if viewer is None:
        raise RefusedError("log in first, or send `Authorization: Bearer …`")
    if bearer is None:
        check_same_origin(request, context)
    return viewer


TheViewer = Annotated[Viewer, Depends(viewer_of)]


def check_same_origin(request: Request, context: ApiContext) -> None:
    """Raise CrossSiteError for a change that another site's page asks for."""
    if request.method in SAFE_METHODS:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is not None:
        own = {request.headers.get("host"), urlsplit(context.settings.url).netloc}
        if urlsplit(origin).netloc not in own:
            raise CrossSiteError(f"a page of {origin} may not change anything here")
    elif site not in {"same-origin", "none"}:
        raise CrossSiteError("a change with a cookie needs the header Origin; or send `Authorization: Bearer …`")


def viewer_of_request(request: Request, context: ApiContext) -> Viewer | None:
    """For what only reads: the viewer by bearer token or cookie, None for nobody."""
    token = _bearer(request) or request.cookies.get(COOKIE)
    return context.accounts.viewer(token) if token else None


def end_session(request: Request, response: Response, context: ApiContext) -> None:
    """The request's session, and the cookie where it came by one."""
    bearer, cookie = _bearer(request), request.cookies.get(COOKIE)
    if token := bearer or cookie:
        context.accounts.log_out(token)
    if bearer is None:
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=context.settings.https)


def set_session(response: Response, token: str, context: ApiContext) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=context.settings.session_days * 86400,
        path="/",
        httponly=True,
        samesite="lax",
        secure=context.settings.https,
    )


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def address_of(request: Request) -> str:
    return request.client.host if request.client else "?"


# ------------------------------------------------------------------ pages


@router.get("/login")
def show_login(request: Request, context: Context, token: str = "", next: str = "/") -> Response:  # noqa: A002 - the parameter's public name
    language = _language(request)
    if not token:
        if viewer_of_cookies(context, request.cookies) is not None:
            return RedirectResponse(_local(next), 303)
        return HTMLResponse(login_page(language, following=_local(next)))
    try:
        user = context.accounts.user_of_link(token)
    except RefusedError as error:
        return HTMLResponse(login_page(language, error=error), 410)
    return HTMLResponse(login_page(user.language if user.has_password else language, token=token, user=user.id))


@router.post("/login")
def log_in(
    *,
    request: Request,
    context: Context,
    user: Annotated[str, Form(max_length=64, pattern=r"^[^\x00]*$")] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    repeated: Annotated[str, Form(max_length=1000)] = "",
    token: Annotated[str, Form(max_length=200)] = "",
    following: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    language = _language(request)
    try:
        check_same_origin(request, context)
        if token:
            session = _use_link(context, token, password, repeated)
        else:
            session = context.accounts.log_in(user.strip(), password, address_of(request))
    except (RefusedError, RejectedError, CrossSiteError, TooManyAttemptsError) as error:
        page = login_page(language, token=token, user=user, following=_local(following), error=error)
        return HTMLResponse(page, _status(error))
    response = RedirectResponse(_local(following), 303)
    set_session(response, session, context)
    return response


def _use_link(context: ApiContext, token: str, password: str, repeated: str) -> str:
    if password != repeated:
        raise RejectedError("password", "the two passwords differ")
    session = context.accounts.use_link(token, password)
    # Whoever's link it was: the file is made anew at the next start as long as no administrator has a password.
    if context.accounts.first_is_done():
        (context.state / FIRST_LOGIN_FILE).unlink(missing_ok=True)
    return session


@router.post("/logout")
def log_out(request: Request, context: Context) -> Response:
    check_same_origin(request, context)
    response = RedirectResponse("/login", 303)
    end_session(request, response, context)
    return response


def link_url(context: ApiContext, token: str) -> str:
    return f"{context.settings.url}/login?token={quote(token)}"


def _status(error: SatomoriError) -> int:
    if isinstance(error, TooManyAttemptsError):
        return 429
    return 403 if isinstance(error, CrossSiteError) else 401 if isinstance(error, RefusedError) else 422


def _local(path: str) -> str:
    """A path on our own site; anything else would let a link lead elsewhere after the login."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"


def _language(request: Request) -> str:
    """Japanese first, unless the browser asks for English and not for Japanese."""
    wanted = request.headers.get("accept-language", "ja").lower()
    return "en" if "en" in wanted and "ja" not in wanted else "ja"
