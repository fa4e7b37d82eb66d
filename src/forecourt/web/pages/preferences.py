"""How the pages look and behave for whoever looks at them, what the business decided, and what this
server was told.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.web.application import CannotLoad, application, is_marketplace
from forecourt.web.page import page, reading
from forecourt.web.reader import CHOICES


def preferences(request: Request) -> Response:
    """GET /settings"""
    with reading(request) as look:
        version = look.tx.info.server_version
        business = _business(look.tx)
        wrong = _wrong(request, look.tx) if business else None
    now = settings()
    variables = {
        "FORECOURT_APP": now.app,
        "FORECOURT_ENVIRONMENT": now.environment,
        "FORECOURT_TIMEZONE": now.timezone,
        "FORECOURT_BASE_URL": now.base_url,
        "FORECOURT_VAR": str(now.var),
        "PostgreSQL": f"{version // 10000}.{version % 10000}" + ("" if now.database_url else _(", private")),
    }
    return page(
        request,
        look,
        "pages/preferences.html",
        _("Settings"),
        below="pages/preferences.form.html",
        choices=CHOICES,
        variables=variables,
        business=business,
        wrong=wrong,
    )


def _business(tx: Connection[Any]) -> Sequence[Any]:
    try:
        if not is_marketplace(application()):
            return []
    except CannotLoad:
        return []
    from forecourt.marketplace.business_changes import listed

    return listed(tx)


def _wrong(request: Request, tx: Connection[Any]) -> dict[str, str] | None:
    """What somebody typed that will not do, for the field where they did."""
    name, typed = request.query_params.get("set", ""), request.query_params.get("to", "")
    if not name:
        return None
    from forecourt.marketplace.business_changes import why_not

    why = why_not(tx, name, typed)
    return {"name": name, "typed": typed, "why": why} if why else None
