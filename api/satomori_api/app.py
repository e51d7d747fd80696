"""The application: routes, errors, security headers, and whatever mounts itself on it (the console)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

from fastapi import FastAPI

from satomori_analytics.condition.rates import load_rates
from satomori_analytics.settings import load_analytics
from satomori_api import auth, problems
from satomori_api.accounts import Accounts
from satomori_api.context import ApiContext
from satomori_api.live import Feed
from satomori_api.queries import Queries
from satomori_api.routes import (
    account,
    alerts,
    commands,
    forecasts,
    health,
    indicators,
    observations,
    pipeline,
    region,
    stream,
    triage,
    unknown,
)
from satomori_api.security import Bounds, SecurityHeaders
from satomori_api.settings import load_api_settings
from satomori_core import __version__
from satomori_core.logs import get_logger
from satomori_store.opening import open_ledger, open_registry, open_store

__all__ = ["ApiContext", "create_app", "open_context"]

MOUNTS = "satomori.api_mounts"
READS_AT_ONCE = 3
BODY_MAX = 64 * 1024

DESCRIPTION = """
Satomori (里守) watches over a rural region's farms and ageing infrastructure.
地域の田畑とインフラを見守るSatomoriのAPIです。

* **Login**: `POST /api/v1/session` gives a token for `Authorization: Bearer …`; browsers use the cookie of `/login`.
* **Access**: each organisation sees what is its own or shared with it; what you may not see is *404*.
* **Times** are RFC 3339 in UTC, with up to microseconds. `observed_at_us` columns are whole microseconds since 1970.
* **Levels**: good, unknown (nothing recent is known), watch, warning, danger.
* **Quality**: QARTOD flags 1 good, 2 unknown, 3 suspect, 4 fail, 9 missing.
* **Errors** are `application/problem+json` (RFC 9457).
* **Commands** are ordered with an `Idempotency-Key`: asking again with the same key is the same command.
* **Pages**: lists answer `items` and `next`, the path of the next page.
"""

log = get_logger("api")


def open_context(state: Path, config: Path | None) -> ApiContext:
    """Open registry, store and ledger as the settings say. Raise SettingsError."""
    settings = load_api_settings(config)
    engine = open_registry(state, config)
    store, ledger = open_store(state, config), open_ledger(state, config)
    more = tuple(open_store(state, config) for _ in range(READS_AT_ONCE - 1))
    queries = Queries(
        engine, store, ledger, more_stores=more, observations_max=settings.observations_max,
        ratebook=load_rates(load_analytics(config).rates_dir),
    )  # fmt: skip
    accounts = Accounts(engine, session_days=settings.session_days, link_hours=settings.link_hours)
    return ApiContext(engine, store, ledger, queries, accounts, settings, state, config, more)


def create_app(context: ApiContext, *, mounts: bool = True) -> FastAPI:
    """`mounts` False: the API alone, for replicas without the console."""
    feed = Feed(context.queries, context.ledger, streams_max=context.settings.streams_max)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with feed.running():
            yield

    app = FastAPI(
        title="Satomori",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from a foreign site, onto the origin where the session cookie is.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.feed = feed
    problems.add_problems(app)
    app.add_middleware(Bounds, body_max=BODY_MAX)
    app.add_middleware(SecurityHeaders, https=context.settings.https)
    for module in (account, region, observations, alerts, commands, forecasts, pipeline, indicators, triage, stream):
        app.include_router(module.router, prefix="/api/v1", responses=problems.RESPONSES)
    app.include_router(health.router)
    app.include_router(auth.router)
    app.include_router(unknown.router)
    if mounts:
        mount_others(app, context)
    return app


def mount_others(app: FastAPI, context: ApiContext) -> None:
    """Let every installed package that wants to (the console) add itself."""
    for entry in entry_points(group=MOUNTS):
        try:
            mount = entry.load()
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("satomori_api"):
                raise
            log.warning("not mounted", name=entry.name, missing=error.name)
            continue
        mount(app, context)
        log.info("mounted", name=entry.name)
