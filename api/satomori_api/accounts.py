"""Users, their passwords, one-time links and sessions, in the registry database.

There is no default password: a user gets a one-time link and sets one. Of links and sessions only the SHA-256 of
their random token is kept; passwords are kept as argon2id (RFC 9106's second recommended setting, argon2-cffi's
default). Synchronous, safe to use from many threads.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session as OrmSession

from satomori_api.backoff import Backoff
from satomori_api.refusals import RefusedError, TooManyAttemptsError
from satomori_api.views import UserView
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.clock import now_us as clock_now_us
from satomori_core.errors import ConflictError, NotFoundError, RejectedError, UnavailableError
from satomori_core.topics import is_name
from satomori_store.access import Viewer
from satomori_store.databases import reading, writing
from satomori_store.models import AuditEntry, LoginLink, Organisation, Session, User
from satomori_store.transactions import transaction

ROLES = ("viewer", "crew", "engineer", "admin")
FIRST_USER = "admin"
PASSWORD_LEAST = 10
PASSWORD_MOST = 1000  # a longer one only costs time
HASHING_WAIT_S = 5.0
_HASHING = threading.BoundedSemaphore(2)  # each takes 64 MiB while it runs
_HASHER = PasswordHasher()
# Verified for a user that does not exist, so that the answer takes as long.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$Xoai59IznU3EhEZxeNGP3g$OjMfd8qNMIwarL3ntOxX/suq3+37/9hlKjIm/xvr4uo"

_ADMINS = select(func.count()).where(User.role == "admin", User.password_hash.is_not(None))


class Accounts:
    """`session_days`, `link_hours`: how long each is good. A session in use is prolonged."""

    def __init__(
        self,
        engine: Engine,
        *,
        session_days: int = 30,
        link_hours: int = 72,
        clock: Callable[[], int] = clock_now_us,
    ) -> None:
        self._engine = engine
        self._session_us = session_days * DAY_US
        self._link_us = link_hours * HOUR_US
        self._clock = clock
        self._backoff = Backoff()

    # -------------------------------------------------------------- one-time links

    def first_link(self) -> str | None:
        """The token of a new link for the first administrator, as long as no administrator has a password."""
        with transaction(self._engine) as session:
            if session.scalar(_ADMINS):
                return None
            if session.get(User, FIRST_USER) is None:
                session.add(User(id=FIRST_USER, name="管理者", organisation_id=None, role="admin"))
                session.flush()
            token = self._new_link(session, FIRST_USER)
            session.flush()
            return token

    def first_is_done(self) -> bool:
        """Whether an administrator has a password."""
        with reading(self._engine) as connection:
            return bool(connection.scalar(_ADMINS))

    def new_link(self, user_id: str, *, by: str | None = None) -> str:
        """The token of a new one-time link; the user's older ones are void. Raise NotFoundError."""
        with transaction(self._engine) as session:
            if session.get(User, user_id) is None:
                raise NotFoundError(f"there is no user {user_id!r}")
            token = self._new_link(session, user_id)
            self._record(session, by, "user.link", f"user/{user_id}")
            session.flush()
            return token

    def invite(
        self, *, user_id: str, name: str, organisation_id: str | None, role: str, language: str = "ja", by: str
    ) -> str:
        """Make a user and the token of the one-time link with which that user sets a password."""
        if not is_name(user_id):
            raise RejectedError(
                "user", f"{user_id!r} can't be a user's id: up to 64 letters, digits, . - and _ make one"
            )
        if role not in ROLES or language not in {"ja", "en"}:
            raise RejectedError("user", f"role {role!r} or language {language!r} is none of ours")
        if organisation_id is None and role != "admin":
            raise RejectedError("user", "only an administrator belongs to no organisation")
        with transaction(self._engine) as session:
            if session.get(User, user_id) is not None:
                raise ConflictError(f"there is a user {user_id!r} already")
            if organisation_id is not None and session.get(Organisation, organisation_id) is None:
                raise NotFoundError(f"there is no organisation {organisation_id!r}")
            session.add(User(id=user_id, name=name, organisation_id=organisation_id, role=role, language=language))
            session.flush()
            token = self._new_link(session, user_id)
            self._record(session, by, "user.invite", f"user/{user_id}", role=role, organisation=organisation_id)
            session.flush()
            return token

    def user_of_link(self, token: str) -> UserView:
        """Whom an unused link is for. Raise RefusedError."""
        with reading(self._engine) as connection, OrmSession(connection) as session:
            return _user_view(self._link_user(session, token))

    def use_link(self, token: str, password: str) -> str:
        """Set the password, end the user's other sessions, void the link; returns a new session's token."""
        self.user_of_link(token)  # before the costly hash
        hashed = hash_password(password)
        with transaction(self._engine) as session:
            user = self._link_user(session, token)
            session.execute(
                update(LoginLink)
                .where(LoginLink.user_id == user.id, LoginLink.used_us.is_(None))
                .values(used_us=self._clock())
            )
            session.execute(delete(Session).where(Session.user_id == user.id))
            user.password_hash = hashed
            self._record(session, user.id, "user.password", f"user/{user.id}")
            return self._new_session(session, user.id)

    # -------------------------------------------------------------- sessions

    def log_in(self, user_id: str, password: str, address: str) -> str:
        """A new session's token. Raise RefusedError, or TooManyAttemptsError after several wrong ones."""
        now_us = self._clock()
        wait_s = self._backoff.wait_s(user_id, address, now_us)
        if wait_s > 0:
            raise TooManyAttemptsError(wait_s)
        self._backoff.tried(user_id, address, now_us)
        with reading(self._engine) as connection, OrmSession(connection) as session:
            user = session.get(User, user_id)
            hashed = user.password_hash if user is not None else None
        if not verify_password(hashed or _NOBODY, password) or hashed is None:
            raise RefusedError("the user or the password is wrong")
        self._backoff.succeeded(user_id, address)
        with transaction(self._engine) as session:
            session.execute(delete(Session).where(Session.expires_us < now_us))
            self._record(session, user_id, "user.login", f"user/{user_id}", address=address)
            return self._new_session(session, user_id)

    def viewer(self, token: str) -> Viewer | None:
        """Whose session it is, None for none. One with less than half of its time left is prolonged."""
        now_us, key = self._clock(), hash_token(token)
        with reading(self._engine) as connection, OrmSession(connection) as session:
            found = session.execute(
                select(Session.expires_us, User)
                .join(User, User.id == Session.user_id)
                .where(Session.token_hash == key, Session.expires_us > now_us)
            ).first()
            if found is None:
                return None
            expires_us, user = found
            viewer = Viewer(user.id, user.organisation_id, user.role, user.language)
        if expires_us - now_us < self._session_us // 2:
            with writing(self._engine) as connection:
                longer = update(Session).where(Session.token_hash == key).values(expires_us=now_us + self._session_us)
                connection.execute(longer)
        return viewer

    def log_out(self, token: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(Session).where(Session.token_hash == hash_token(token)))

    # -------------------------------------------------------------- users

    def users(self) -> list[UserView]:
        with reading(self._engine) as connection, OrmSession(connection) as session:
            return [_user_view(row) for row in session.scalars(select(User).order_by(User.id))]

    def user(self, user_id: str) -> UserView:
        """Raise NotFoundError."""
        with reading(self._engine) as connection, OrmSession(connection) as session:
            row = session.get(User, user_id)
            if row is None:
                raise NotFoundError(f"there is no user {user_id!r}")
            return _user_view(row)

    def set_language(self, user_id: str, language: str) -> None:
        """Raise RejectedError for what is neither ja nor en."""
        if language not in {"ja", "en"}:
            raise RejectedError("user", f"language {language!r} is neither ja nor en")
        with writing(self._engine) as connection:
            connection.execute(update(User).where(User.id == user_id).values(language=language))

    def remove(self, user_id: str, *, by: str) -> None:
        """Raise NotFoundError, and ConflictError for oneself, so that one administrator stays."""
        if user_id == by:
            raise ConflictError("nobody removes themselves; another administrator has to")
        with transaction(self._engine) as session:
            row = session.get(User, user_id)
            if row is None:
                raise NotFoundError(f"there is no user {user_id!r}")
            session.execute(delete(Session).where(Session.user_id == user_id))
            session.execute(delete(LoginLink).where(LoginLink.user_id == user_id))
            session.delete(row)
            self._record(session, by, "user.remove", f"user/{user_id}")
            session.flush()

    # -------------------------------------------------------------- inside a transaction

    def _new_link(self, session: OrmSession, user_id: str) -> str:
        token, now_us = secrets.token_urlsafe(32), self._clock()
        session.execute(delete(LoginLink).where(LoginLink.user_id == user_id, LoginLink.used_us.is_(None)))
        session.add(LoginLink(token_hash=hash_token(token), user_id=user_id, expires_us=now_us + self._link_us))
        return token

    def _link_user(self, session: OrmSession, token: str) -> User:
        link = session.get(LoginLink, hash_token(token))
        if link is None or link.used_us is not None or link.expires_us <= self._clock():
            raise RefusedError("this link has been used or is too old; ask for a new one")
        user = session.get(User, link.user_id)
        if user is None:
            raise RefusedError("this link has been used or is too old; ask for a new one")
        return user

    def _new_session(self, session: OrmSession, user_id: str) -> str:
        token = secrets.token_urlsafe(32)
        session.add(Session(token_hash=hash_token(token), user_id=user_id, expires_us=self._clock() + self._session_us))
        session.flush()
        return token

    def _record(self, session: OrmSession, by: str | None, action: str, subject: str, **detail: Any) -> None:  # noqa: ANN401 - what JSON can hold
        session.add(AuditEntry(at_us=self._clock(), user_id=by, action=action, subject=subject, detail=detail))


def hash_token(token: str) -> str:
    """A token is random enough (256 bits) that a plain hash keeps it."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Raise RejectedError for one that is too short or too long."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise RejectedError("password", f"a password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters")
    with _turn_to_hash():
        return _HASHER.hash(password)


def verify_password(hashed: str, password: str) -> bool:
    if len(password) > PASSWORD_MOST:
        return False
    with _turn_to_hash():
        try:
            return _HASHER.verify(hashed, password)
        except (VerifyMismatchError, InvalidHashError):
            return False


@contextmanager
def _turn_to_hash() -> Generator[None]:
    """Many logins at once may neither take all memory nor hold all threads."""
    if not _HASHING.acquire(timeout=HASHING_WAIT_S):
        raise UnavailableError("many people are logging in just now; try again", retry_after_s=5.0)
    try:
        yield
    finally:
        _HASHING.release()


def _user_view(row: User) -> UserView:
    return UserView(row.id, row.name, row.organisation_id, row.role, row.language, row.password_hash is not None)
