"""What the night's duties have to do with: placements, events, wallets, photos, notices, the
sitemap.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.language import gettext as _
from forecourt.settings import settings
from forecourt.store import performance
from forecourt.web.application import application, is_marketplace
from forecourt.web.market_figures import figures
from forecourt.web.page import page, reading

PHOTOS = "process_car_images"


def marketplace(request: Request) -> Response:
    """GET /marketplace"""
    if not is_marketplace(application()):
        raise HTTPException(404, _("The application of this server is not the marketplace"))
    with reading(request) as look:
        found = figures(look.tx, settings().timezone)
        photos = next(
            (job for job in performance.by_job(look.tx, performance.PERIODS["1h"]) if job.job == PHOTOS), None
        )
    return page(request, look, "pages/marketplace.html", _("Marketplace"), photos=photos, photo_job=PHOTOS, **found)
