"""The answer to a scrape: one look at the database, on the pages' own few connections and within
their limits.
"""

from starlette.requests import Request
from starlette.responses import Response

from forecourt.web import database
from forecourt.web.application import application, is_marketplace
from forecourt.web.metrics import engine, marketplace
from forecourt.web.metrics.exposition import CONTENT_TYPE, Family, written


def metrics(_: Request) -> Response:
    """GET /metrics"""
    app = application()
    with database.reading() as look:
        found = list(engine.families(look.tx, app, look.now))
        if is_marketplace(app):
            found += marketplace.families(look.tx)
        took = Family(
            "forecourt_scrape_duration_seconds", "gauge", "How long the database was asked for this answer.",
            [({}, look.milliseconds / 1000)],
        )  # fmt: skip
    return Response(written([*found, took]), media_type=None, headers={"Content-Type": CONTENT_TYPE})
