"""The web application: its routes, its guards, and what it answers when something is wrong."""

from urllib.parse import urlsplit

import psycopg
import sqlalchemy.exc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect

from forecourt.database.private import PrivateServerError
from forecourt.settings import settings
from forecourt.web import files, health, refusals
from forecourt.web.access import SignIn
from forecourt.web.application import CannotLoad
from forecourt.web.guard import OWN_NAMES, HostGuard, OriginGuard, hostname
from forecourt.web.headers import SafeHeaders
from forecourt.web.limits import PathLimit
from forecourt.web.page import Unchanged
from forecourt.web.table import EVENTS, RULES, UNSUBSCRIBE
from forecourt.web.tongue import ReadersLanguage


def create_app() -> Starlette:
    """The application, as the settings are now. It connects to the database only when it is asked
    something.
    """
    hosts = OWN_NAMES | {hostname(settings().base_url), hostname(f"//{_in_url(settings().web_host)}")} - {""}
    probes = {route.path for route in health.ROUTES}
    app = Starlette(
        # What is asked most is looked for first: each that is tried before takes a microsecond.
        routes=[RULES[0].route(), *health.ROUTES, *files.ROUTES, *(rule.route() for rule in RULES[1:])],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(ReadersLanguage),
            Middleware(PathLimit),
            Middleware(HostGuard, hosts=hosts, everywhere=probes),
            Middleware(
                OriginGuard,
                public=urlsplit(settings().base_url).netloc,
                everywhere=probes | {EVENTS},
                signed=(UNSUBSCRIBE,),
            ),
        ],
        exception_handlers={
            Unchanged: refusals.unchanged,
            ClientDisconnect: refusals.gone,
            HTTPException: refusals.refused,
            SignIn: refusals.sign_in,
            CannotLoad: refusals.cannot_load,
            psycopg.errors.UndefinedTable: refusals.no_schema,
            psycopg.errors.UndefinedColumn: refusals.no_schema,
            psycopg.errors.InvalidSchemaName: refusals.no_schema,
            psycopg.errors.ReadOnlySqlTransaction: refusals.read_only,
            psycopg.errors.LockNotAvailable: refusals.busy,
            psycopg.errors.DeadlockDetected: refusals.busy,
            psycopg.OperationalError: refusals.out_of_reach,
            sqlalchemy.exc.OperationalError: refusals.out_of_reach,
            sqlalchemy.exc.TimeoutError: refusals.out_of_reach,
            PrivateServerError: refusals.out_of_reach,
            Exception: refusals.failed,
        },
    )
    app.router.redirect_slashes = False
    return app


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
