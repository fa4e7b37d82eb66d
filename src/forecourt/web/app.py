"""The web application: its routes, its guard, and what it answers when something is wrong."""

import logging

import psycopg
import sqlalchemy.exc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from forecourt.database.engine import unreachable
from forecourt.database.private import PrivateServerError
from forecourt.settings import settings
from forecourt.web import answers, health
from forecourt.web.guard import OWN_NAMES, HostGuard, hostname

log = logging.getLogger("forecourt.web")


def create_app() -> Starlette:
    """The application, as the settings are now. It connects to the database only when it is asked something."""
    hosts = OWN_NAMES | {hostname(settings().base_url)} - {""}
    probes = {route.path for route in health.ROUTES}
    app = Starlette(
        routes=health.ROUTES,
        middleware=[Middleware(HostGuard, hosts=hosts, everywhere=probes)],
        exception_handlers={
            HTTPException: _refused,
            psycopg.OperationalError: _out_of_reach,
            sqlalchemy.exc.OperationalError: _out_of_reach,
            PrivateServerError: _out_of_reach,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return app


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answers.error(error.status_code, error.detail, error.headers)


def _out_of_reach(_: Request, error: Exception) -> Response:
    """Whoever asks is told only that; where the database is and what the driver said is in the log."""
    match error:
        case sqlalchemy.exc.OperationalError(orig=Exception() as origin):
            words = unreachable(origin)
        case psycopg.OperationalError():
            words = unreachable(error)
        case _:
            words = str(error)
    log.warning("database unreachable: %s", words)
    return answers.error(503, "Database unreachable")


def _failed(_: Request, error: Exception) -> Response:
    """The server logs the traceback."""
    return answers.error(500, "Internal server error")
