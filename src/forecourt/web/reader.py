"""How whoever asks wants the pages: chosen on the page Settings, kept as cookies by a browser."""

from contextlib import suppress
from zoneinfo import ZoneInfo

from starlette.requests import Request

from forecourt.settings import settings

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "zone": ("schedule", "browser", "utc"),
    "refresh": ("adaptive", "5", "30", "off"),
    "arguments": ("shown", "hidden"),
    "keys": ("on", "off"),
}
"""What can be chosen, by the name of its cookie. The first holds until somebody chooses."""

BROWSERS_ZONE = "browser_zone"
"""The cookie in which the script leaves where the browser believes to be."""


def wishes(request: Request) -> dict[str, str]:
    """What they chose, each by its name; what cannot be chosen is not listened to."""
    return {name: _wish(request, name) for name in CHOICES}


def zone_of(request: Request) -> ZoneInfo:
    """In which they are told times: the schedule's too where the browser does not say its own."""
    chosen = _wish(request, "zone")
    if chosen == "schedule":
        return settings().zone
    with suppress(LookupError, ValueError, OSError):  # whatever somebody wrote into the cookie
        return ZoneInfo("UTC" if chosen == "utc" else request.cookies.get(BROWSERS_ZONE, ""))
    return settings().zone


def _wish(request: Request, name: str) -> str:
    chosen = request.cookies.get(name, "")
    return chosen if chosen in CHOICES[name] else CHOICES[name][0]
