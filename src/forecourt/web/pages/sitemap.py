"""The sitemap as it was published, for a look: whoever crawls finds it at the marketplace's own
address.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from forecourt.language import gettext as _
from forecourt.marketplace import places
from forecourt.marketplace.bucket import Bucket
from forecourt.marketplace.storage import NotStoredError


def sitemap(request: Request) -> Response:
    """GET /sitemap.xml, and GET /sitemap-{shard}"""
    shard = request.path_params.get("shard")
    name = f"sitemap-{shard}" if shard else "sitemap.xml"
    kind = "application/gzip" if name.endswith(".gz") else "application/xml"
    place = places.public()
    if isinstance(place, Bucket):
        try:
            return Response(place.read(name), media_type=kind)
        except NotStoredError:
            raise HTTPException(404, _("No sitemap of this name was published")) from None
    path = place / name
    if not name.endswith((".xml", ".xml.gz")) or not path.is_file():
        raise HTTPException(404, _("No sitemap of this name was published"))
    return FileResponse(path, media_type=kind)
