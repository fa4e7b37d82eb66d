"""Is the house well: the checks of `forecourt doctor` as a page, and as health+json for
monitors.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from forecourt.doctor.check import House, Status
from forecourt.doctor.examination import examine, worst
from forecourt.language import gettext as _
from forecourt.language import speaking
from forecourt.version import __version__
from forecourt.web import database
from forecourt.web.application import application
from forecourt.web.dates import zulu
from forecourt.web.page import page, reading

WORDS: dict[Status, str] = {"ok": "pass", "warn": "warn", "fail": "fail"}


def doctor(request: Request) -> Response:
    """GET /doctor"""
    app = application()
    with reading(request) as look:
        results = examine(House(look.tx, app, look.now))
    return page(request, look, "pages/doctor.html", _("Health"), results=results, worst=worst(results))


def health(_request: Request) -> Response:
    """GET /health: pass and warn are 200, fail is 503."""
    app = application()
    with database.reading() as look, speaking("en"):
        results = examine(House(look.tx, app, look.now))
    status = worst(results)
    checks = {
        result.name: [
            {
                "status": WORDS[result.status],
                "time": zulu(look.now),
                **({"observedValue": result.value, "observedUnit": result.unit} if result.value is not None else {}),
                **({"output": f"{result.found}. {result.advice}".strip()} if result.status != "ok" else {}),
            }
        ]
        for result in results
    }
    health = {
        "status": WORDS[status],
        "version": __version__.partition(".")[0],
        "releaseId": __version__,
        "serviceId": "forecourt",
        "checks": checks,
    }
    return JSONResponse(
        health, 503 if status == "fail" else 200, {"Cache-Control": "no-store"}, "application/health+json"
    )
