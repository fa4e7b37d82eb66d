"""Who may talk to the server: without credentials only this machine, and only under a name that is
meant.

A page from elsewhere can make its own name point at 127.0.0.1 and so let a browser on this machine
read what is served here. The name in the Host header gives it away.
"""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from forecourt.web import answers, bearer

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class OpenToOthers(RuntimeError):
    """The server would listen beyond this machine, and nothing protects it there."""


def require_loopback(host: str) -> None:
    """Raise OpenToOthers unless only this machine can reach a server that listens on `host`."""
    if not is_loopback(host):
        raise OpenToOthers(
            f"FORECOURT_WEB_HOST={host} can be reached from other machines, and nobody is known who could sign in: "
            "forecourt web user add NAME --role admin. Or let it listen on 127.0.0.1, and put a reverse proxy in front that "
            "passes on what others may see."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class HostGuard:
    """Refuses requests under a name that is not `hosts`. `everywhere`: paths that any name may ask
    for.

    Probes come by whatever address a machine has, and their answers reveal nothing.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], everywhere: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._everywhere = everywhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._everywhere:
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if hostname(f"//{host}") in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = answers.refusal(
            scope["path"], 403, f"{host!r} is not a name of this server: set FORECOURT_BASE_URL to its address"
        )
        await refusal(scope, receive, send)


class OriginGuard:
    """Refuses a request that would change something unless one of this server's own pages sent it.

    Browsers say where a form stands: by Sec-Fetch-Site where the address is https or this
    machine's, and by Origin everywhere. A request that bears a token is a program's: it need not
    say so, and goes on without its cookies. `everywhere`: paths that change nothing, whatever is
    asked of them. `signed`: beginnings of paths whose rest is a signature of ours, which nobody
    else can make: mail programs ask for these, and say nothing of themselves.
    """

    def __init__(self, app: ASGIApp, public: str, everywhere: Collection[str], signed: tuple[str, ...] = ()) -> None:
        self._app = app
        self._public = public
        self._everywhere = everywhere
        self._signed = signed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and bearer.shown(Headers(scope=scope)) is not None:
            without = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
            await self._app({**scope, "headers": without}, receive, send)
            return
        harmless = scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS")
        if harmless or scope["path"] in self._everywhere or scope["path"].startswith(self._signed):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if why := foreign(headers, self._public):
            refusal = answers.refusal(scope["path"], 403, f"{why}, so nothing was done. {self._instead(scope['path'])}")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _instead(self, path: str) -> str:
        if path.startswith(answers.API):
            return "A program sends a token, Authorization: Bearer; see: forecourt web token add NAME"
        return "Open the page on this server and press the button there"


def foreign(headers: Headers, public: str) -> str | None:
    """Why a request that changes something does not come from a page of ours; None if it does.
    `public`: host and port of the configured address, for servers behind a proxy that does not pass
    the name on."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site == "same-origin" else f"Sec-Fetch-Site says {site!r}"
    origin = headers.get("origin")
    if origin is None:
        return "neither Sec-Fetch-Site nor Origin says where it comes from"
    place = _netloc(origin)
    return None if place and place in (headers.get("host", ""), public) else f"Origin says {origin!r}"


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


@lru_cache(maxsize=64)
def hostname(url: str) -> str:
    """The host that a URL names, in lower case, without port and brackets; empty when it names
    none.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    # Of "[::1].evil.example" some versions of the parser see only what the brackets hold.
    after = parts.netloc.rpartition("]")[2]
    return "" if "[" in parts.netloc and after.partition(":")[0] else parts.hostname or ""
