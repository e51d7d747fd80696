"""Logging in: one-time links, passwords, sessions, and what another site's page may not do."""

import re
import stat
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as OrmSession

from satomori_api.accounts import Accounts, hash_token
from satomori_api.auth import COOKIE, FIRST_LOGIN_FILE, link_url
from satomori_api.backoff import KEYS_MAX, Backoff
from satomori_api.cli import show_first_link
from satomori_api.refusals import RefusedError, TooManyAttemptsError
from satomori_core.clock import DAY_US, HOUR_US, SECOND_US, now_us
from satomori_core.errors import ConflictError, NotFoundError, RejectedError
from satomori_store.models import LoginLink, Session
from satomori_store.opening import open_registry
from support.api_world import URL, World

PASSWORD = "a long enough one"  # noqa: S105 - of the test's users
OWN = {"Origin": URL}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at_us = now_us()

    def __call__(self) -> int:
        return self.at_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Accounts:
    return Accounts(open_registry(tmp_path, None), session_days=30, link_hours=72, clock=clock)


def first_link(accounts: Accounts) -> str:
    token = accounts.first_link()
    assert token is not None
    return token


def test_the_first_link_makes_the_first_administrator(accounts: Accounts) -> None:
    session = accounts.use_link(first_link(accounts), PASSWORD)
    viewer = accounts.viewer(session)
    assert viewer is not None
    assert (viewer.user_id, viewer.role, viewer.organisation_id) == ("admin", "admin", None)
    assert accounts.first_link() is None


def test_until_it_is_used_each_start_makes_the_link_anew(accounts: Accounts) -> None:
    """A restart before the first login may not lock everybody out; the older link is void."""
    old = first_link(accounts)
    new = first_link(accounts)
    with pytest.raises(RefusedError):
        accounts.use_link(old, PASSWORD)
    accounts.use_link(new, PASSWORD)


def test_a_link_works_once_and_not_for_ever(accounts: Accounts, clock: Clock) -> None:
    token = first_link(accounts)
    accounts.use_link(token, PASSWORD)
    with pytest.raises(RefusedError):
        accounts.use_link(token, PASSWORD)
    late = accounts.new_link("admin")
    clock.at_us += 72 * HOUR_US
    with pytest.raises(RefusedError):
        accounts.user_of_link(late)


def test_a_new_password_ends_the_older_sessions(accounts: Accounts) -> None:
    """Whoever had got in with the old one is out."""
    old = accounts.use_link(first_link(accounts), PASSWORD)
    new = accounts.use_link(accounts.new_link("admin"), PASSWORD + "2")
    assert accounts.viewer(old) is None
    assert accounts.viewer(new) is not None
    with pytest.raises(RefusedError):
        accounts.log_in("admin", PASSWORD, "1.2.3.4")


@pytest.mark.parametrize("password", ["", "123456789", "x" * 1001])
def test_a_password_has_ten_characters_and_leaves_the_link_good(accounts: Accounts, password: str) -> None:
    token = first_link(accounts)
    with pytest.raises(RejectedError):
        accounts.use_link(token, password)
    accounts.use_link(token, PASSWORD)


def test_only_hashes_are_kept(accounts: Accounts, tmp_path: Path) -> None:
    """Neither a link's token nor a session's, nor the password, stands in the database's files."""
    link = first_link(accounts)
    session = accounts.use_link(link, PASSWORD)
    unused = accounts.new_link("admin")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("registry.sqlite*"))
    assert hash_token(session).encode() in kept
    for secret in (link, session, unused, PASSWORD):
        assert secret.encode() not in kept


def test_a_session_in_use_is_prolonged_and_an_idle_one_ends(accounts: Accounts, clock: Clock) -> None:
    session = accounts.use_link(first_link(accounts), PASSWORD)
    for _ in range(4):
        clock.at_us += 20 * DAY_US
        assert accounts.viewer(session) is not None
    clock.at_us += 31 * DAY_US
    assert accounts.viewer(session) is None


def test_wrong_passwords_make_one_wait(accounts: Accounts, clock: Clock) -> None:
    """Five are free; then even the right one has to wait, twice as long each time."""
    accounts.use_link(first_link(accounts), PASSWORD)
    for _ in range(5):
        with pytest.raises(RefusedError):
            accounts.log_in("admin", "wrong", "1.2.3.4")
    with pytest.raises(TooManyAttemptsError) as caught:
        accounts.log_in("admin", PASSWORD, "1.2.3.4")
    assert caught.value.retry_after_s == pytest.approx(2.0)
    clock.at_us += 3 * SECOND_US
    with pytest.raises(RefusedError):
        accounts.log_in("admin", "wrong", "1.2.3.4")
    with pytest.raises(TooManyAttemptsError) as caught:
        accounts.log_in("admin", PASSWORD, "1.2.3.4")
    assert caught.value.retry_after_s == pytest.approx(4.0)
    clock.at_us += 5 * SECOND_US
    assert accounts.viewer(accounts.log_in("admin", PASSWORD, "1.2.3.4")) is not None


def test_an_unknown_user_and_a_wrong_password_look_alike(accounts: Accounts) -> None:
    accounts.use_link(first_link(accounts), PASSWORD)
    told = []
    for user in ("admin", "nobody"):
        with pytest.raises(RefusedError) as caught:
            accounts.log_in(user, "wrong", "1.2.3.4")
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_a_user_without_a_password_cannot_log_in(accounts: Accounts) -> None:
    first_link(accounts)
    with pytest.raises(RefusedError):
        accounts.log_in("admin", "", "1.2.3.4")


def test_the_backoff_forgets_and_is_bounded() -> None:
    backoff, now = Backoff(), 0
    for number in range(KEYS_MAX + 10):
        backoff.tried(f"user {number}", "1.2.3.4", now)
    assert len(backoff._failures) == KEYS_MAX
    for _ in range(100):
        backoff.tried("x", "5.6.7.8", now)
    assert backoff.wait_s("x", "5.6.7.8", now) == 900.0
    assert backoff.wait_s("x", "5.6.7.8", now + 2 * HOUR_US) == 0.0


def test_others_mistakes_do_not_lock_anyone_out() -> None:
    """Five wrong ones of a colleague behind the same address, or of a stranger elsewhere, cost the user no wait."""
    backoff = Backoff()
    for _ in range(10):
        backoff.tried("colleague", "10.0.0.1", 0)
        backoff.tried("me", "6.6.6.6", 0)
    assert backoff.wait_s("me", "10.0.0.1", 0) == 0.0
    for _ in range(40):
        backoff.tried("me", "6.6.6.6", 0)
    assert backoff.wait_s("me", "10.0.0.1", 0) > 0.0


def test_who_logs_in_often_is_never_made_to_wait() -> None:
    backoff = Backoff()
    for _ in range(200):
        assert backoff.wait_s("me", "10.0.0.1", 0) == 0.0
        backoff.tried("me", "10.0.0.1", 0)
        backoff.succeeded("me", "10.0.0.1")


def test_invitations_are_checked(accounts: Accounts) -> None:
    first_link(accounts)
    for user, organisation, role in (("a b", None, "admin"), ("a", None, "viewer"), ("a", None, "king")):
        with pytest.raises(RejectedError):
            accounts.invite(user_id=user, name="n", organisation_id=organisation, role=role, by="admin")
    with pytest.raises(NotFoundError):
        accounts.invite(user_id="a", name="n", organisation_id="nowhere", role="viewer", by="admin")
    with pytest.raises(ConflictError):
        accounts.invite(user_id="admin", name="n", organisation_id=None, role="admin", by="admin")
    with pytest.raises(ConflictError):
        accounts.remove("admin", by="admin")


# ------------------------------------------------------------------ over HTTP


def in_browser(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url=URL)


def set_up(world: World) -> str:
    """As the first start does; the link's token."""
    with OrmSession(world.context.engine) as session:
        for link in session.scalars(select(LoginLink)):
            session.delete(link)
        session.commit()
    show_first_link(world.context)
    return (world.context.state / FIRST_LOGIN_FILE).read_text(encoding="utf-8").strip().rsplit("=", 1)[1]


async def test_from_the_first_link_to_the_api(world: World) -> None:
    """The file is the owner's alone; the link leads to a page that sets the password and logs in; then it is gone."""
    token = set_up(world)
    file = world.context.state / FIRST_LOGIN_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text(encoding="utf-8").strip() == link_url(world.context, token)
    async with in_browser(world) as browser:
        page = await browser.get(f"/login?token={token}")
        assert page.status_code == 200
        assert 'name="repeated"' in page.text
        form = {"token": token, "password": PASSWORD, "repeated": PASSWORD}
        done = await browser.post("/login", data=form, headers=OWN)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        cookie = done.headers["set-cookie"]
        assert re.search(r"; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie)
        assert not file.exists()
        assert (await browser.get("/api/v1/me")).json()["id"] == "admin"
        assert (await browser.get(f"/login?token={token}")).status_code == 410
        assert (await browser.get("/login")).headers["location"] == "/"
        assert (await browser.post("/logout", headers=OWN)).headers["location"] == "/login"
        assert (await browser.get("/api/v1/me")).status_code == 401
        again = await browser.post(
            "/login", data={"user": "admin", "password": PASSWORD, "next": "/assets"}, headers=OWN
        )
        assert again.headers["location"] == "/assets"


async def test_the_session_that_was_logged_out_is_no_more(world: World) -> None:
    """Not only does the browser forget it: the token itself is void."""
    async with world.client("u-crew") as client:
        assert (await client.delete("/api/v1/session")).status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_program_logs_in_for_a_bearer_token(world: World) -> None:
    world.context.accounts.use_link(world.context.accounts.new_link("u-crew"), PASSWORD)
    answer = await world.ask(None, "POST", "/api/v1/session", json={"user": "u-crew", "password": PASSWORD})
    assert answer.status_code == 201
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert (await world.ask(None, "GET", "/api/v1/me", headers=bearer)).json()["id"] == "u-crew"
    refused = await world.ask(None, "POST", "/api/v1/session", json={"user": "u-crew", "password": "wrong"})
    assert refused.status_code == 401


async def test_many_wrong_passwords_are_429_with_a_time(world: World) -> None:
    wrong = {"user": "u-crew", "password": "wrong"}
    answers = [await world.ask(None, "POST", "/api/v1/session", json=wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({}, 403),
    ],
)
async def test_with_a_cookie_only_our_own_pages_change_anything(
    world: World, headers: dict[str, str], status: int
) -> None:
    async with in_browser(world) as browser:
        browser.cookies.set(COOKIE, world.tokens["u-crew"])
        path = f"/api/v1/alerts/{world.alerts['ueno-bridge']}/acknowledge"
        assert (await browser.post(path, headers=headers)).status_code == status
        assert (await browser.get("/api/v1/alerts", headers=headers)).status_code == 200


async def test_another_site_can_neither_log_in_nor_out(world: World) -> None:
    async with in_browser(world) as browser:
        browser.cookies.set(COOKIE, world.tokens["u-crew"])
        evil = {"Origin": "https://evil.example"}
        assert (await browser.post("/logout", headers=evil)).status_code == 403
        assert (await browser.post("/login", data={"user": "a", "password": "b"}, headers=evil)).status_code == 403
        assert (await browser.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y", ""])
async def test_the_login_leads_nowhere_else(world: World, target: str) -> None:
    world.context.accounts.use_link(world.context.accounts.new_link("u-crew"), PASSWORD)
    async with in_browser(world) as browser:
        form = {"user": "u-crew", "password": PASSWORD, "next": target}
        assert (await browser.post("/login", data=form, headers=OWN)).headers["location"] == "/"


async def test_the_login_page_repeats_nothing_as_markup(world: World) -> None:
    """What was typed comes back as text, in the browser's language."""
    async with in_browser(world) as browser:
        form = {"user": '"><script>alert(1)</script>', "password": "x"}
        page = await browser.post("/login", data=form, headers={**OWN, "Accept-Language": "en-GB"})
        assert page.status_code == 401
        assert "<script" not in page.text
        assert "The user or the password is wrong." in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        japanese = await browser.get("/login", headers={"Accept-Language": "ja,en;q=0.5"})
        assert 'lang="ja"' in japanese.text


async def test_a_removed_user_is_out_at_once(world: World) -> None:
    assert (await world.ask("root", "DELETE", "/api/v1/users/u-crew")).status_code == 204
    assert (await world.ask("u-crew", "GET", "/api/v1/me")).status_code == 401


async def test_the_language_is_the_users(world: World) -> None:
    changed = await world.ask("u-crew", "PATCH", "/api/v1/me", json={"language": "en"})
    assert changed.json()["language"] == "en"
    alerts = (await world.ask("u-crew", "GET", "/api/v1/alerts")).json()["items"]
    assert {alert["text"] for alert in alerts} == {"ueno-bridge bad", "ueno-sewer bad"}


async def test_the_invited_set_their_password(world: World) -> None:
    new = {"id": "newcomer", "name": "新人", "organisation": "ueno", "role": "crew"}
    link = (await world.ask("root", "POST", "/api/v1/users", json=new)).json()
    session = world.context.accounts.use_link(link["url"].rsplit("=", 1)[1], PASSWORD)
    viewer = world.context.accounts.viewer(session)
    assert viewer is not None
    assert (viewer.organisation_id, viewer.role) == ("ueno", "crew")
    with OrmSession(world.context.engine) as session_:
        assert session_.get(Session, hash_token(session)) is not None
