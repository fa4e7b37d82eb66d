"""A proxy that signs people in by itself, and says in headers who asks. It is believed only when it
asks from an address that is listed."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.exceptions import HTTPException
from starlette.requests import Request

from forecourt.settings import settings
from forecourt.web.people import Person, Role

LONGEST_NAME = 100


def is_trusted(request: Request) -> bool:
    """Whether the request comes from a listed address."""
    return any(_within(peer(request), network) for network in settings().web_trusted_proxy)


def named(request: Request) -> Person | None:
    """Who asks, as a trusted proxy says; None when it does not say so, or is none. Raises
    HTTPException for what cannot be meant."""
    if not settings().web_trusted_proxy or not is_trusted(request):
        return None
    name = _one(request, settings().web_trusted_proxy_user)
    if not name:
        return None
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise HTTPException(400, f"The proxy's {settings().web_trusted_proxy_user} is not a name")
    words = _one(request, settings().web_trusted_proxy_role).replace(",", " ").lower().split()
    roles = [role for role in Role if role.word in words]
    if not roles:
        raise HTTPException(
            403,
            f"The proxy gives {name} no role: its header {settings().web_trusted_proxy_role} has to say viewer, operator or admin",
        )
    return Person(name, max(roles), by="proxy")


def peer(request: Request) -> str:
    """The address that the connection comes from."""
    return request.client.host if request.client else ""


def client(request: Request) -> str:
    """The address to count tries by: the peer's, or, behind a proxy that is listed or on this
    machine, whom it says that it asks for."""
    near = peer(request)
    if is_trusted(request) or _within(near, "127.0.0.0/8") or near == "::1":
        # Some proxies add a header of their own behind the client's, instead of a word to it.
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        return _without_port(last)[:64] or near
    return near


@lru_cache(maxsize=256)  # few ask often: the proxy, and whoever stands behind it
def address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; one of IPv4 that is written as IPv6 is one of IPv4. None for what
    is no address.
    """
    try:
        return plain(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def plain(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The same address without its zone (`%eth0`); one of IPv4 that is written as IPv6 is one of
    IPv4.
    """
    if isinstance(found, IPv4Address):
        return found
    return found.ipv4_mapped or (IPv6Address(int(found)) if found.scope_id else found)


def _one(request: Request, name: str) -> str:
    found = request.headers.getlist(name)
    if len(found) > 1:
        raise HTTPException(400, f"There are {len(found)} headers {name}: the proxy has to replace what a client sends")
    return found[0].strip() if found else ""


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _within(text: str, network: str) -> bool:
    found = address(text)
    return found is not None and found in _network(network)


_network = lru_cache(maxsize=64)(ip_network)
