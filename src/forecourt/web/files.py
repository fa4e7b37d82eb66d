"""Style sheets, scripts and the icon, under addresses that change with their content, so that they
may be kept for a year.
"""

import mimetypes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forecourt.web.templating import assets

A_YEAR = "public, max-age=31536000, immutable"


async def file(request: Request) -> Response:
    """One file; 404 for one that there is not, or is not any more."""
    name = request.path_params["name"]
    digest, content = assets().get(name, ("", b""))
    if not digest or digest != request.path_params["digest"]:
        raise HTTPException(404)
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    return Response(content, media_type=kind, headers={"Cache-Control": A_YEAR})


ROUTES = (Route("/static/{digest}/{name:path}", file),)
