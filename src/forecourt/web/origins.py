"""Which web sites' scripts may send events: the marketplace's own, and those that
FORECOURT_EVENT_ORIGINS names.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from forecourt.settings import settings

HEADERS = "authorization, content-type, idempotency-key"
A_DAY = "86400"


def allowing(headers: Headers) -> dict[str, str]:
    """What an answer to a request from another site's page says; nothing for one from a program.
    Raises HTTPException 403.
    """
    origin = headers.get("origin")
    if origin is None:
        return {}
    if origin.lower() not in _allowed():
        raise HTTPException(
            403, f"{origin} may not send events: name it in FORECOURT_EVENT_ORIGINS", {"Vary": "Origin"}
        )
    # A beacon comes with credentials, whether it wants to or not. They are not looked at.
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def preflight(headers: Headers) -> dict[str, str]:
    """What is answered to a browser that asks before it sends."""
    return allowing(headers) | {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": A_DAY,
    }


def _allowed() -> set[str]:
    own = urlsplit(settings().base_url)
    return {f"{own.scheme}://{own.netloc}".lower(), *settings().event_origins}
