"""Posts a signed message to an address that a user gave us: to public addresses only, following
nobody elsewhere.

Signed as Standard Webhooks has it (standardwebhooks.com): HMAC-SHA256 over id, time and body, so
that a receiver knows who sent it, and can refuse what is old or came before.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from forecourt.alerts.webhook import signature
from forecourt.settings import settings
from forecourt.version import __version__

SECONDS = 10
"""How long the receiver may take for each step: connecting, and answering."""

AS_THEY_ARE = "/%:?&=;,+@!$'()*~"
"""Beside letters and digits of ASCII, what stands in an address as it is; the rest is encoded."""


class WebhookRefused(ValueError):
    """An address to which nothing is posted."""


class WebhookGone(Exception):
    """The receiver said that there will never be anybody there again (410)."""


class WebhookDelayed(Exception):
    """It did not answer, or not with 2xx: try again later."""


def checked(url: str) -> str:
    """The address, if something may be posted there. Raises WebhookRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as whoever looks it up spells it
    except ValueError:
        parts, port = urlsplit(""), None
    local = settings().environment != "production"
    if parts.scheme not in (("https", "http") if local else ("https",)) or not parts.hostname or port == 0:
        raise WebhookRefused(f"{url!r} is not an address such as https://dealer.example/notices")
    if parts.username or any(letter.isspace() for letter in url):
        raise WebhookRefused(f"{url!r}: an address with a user or a space is not taken; the signature says who sends")
    return url


def post(url: str, id: str, at: int, body: bytes, secret: str) -> None:
    """Post JSON, and return when the receiver has taken it (2xx). `at`: seconds since 1970.

    Raises WebhookRefused, WebhookGone, WebhookDelayed.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Forecourt/{__version__}",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, id, str(at), body),
    }
    status, _ = answer_to(url, body, headers)
    host = urlsplit(url).hostname
    if status == 410:
        raise WebhookGone(f"{host} answered 410: gone")
    if not 200 <= status < 300:
        raise WebhookDelayed(f"{host} answered {status}")


def answer_to(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
    """Post a body, and return the status of the answer and its Retry-After. Raises WebhookRefused,
    and WebhookDelayed where nobody answered.
    """
    parts = urlsplit(checked(url))
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=AS_THEY_ARE)
    try:
        connection = _connected(parts.hostname or "", parts.port, secure=parts.scheme == "https")
        try:
            connection.request("POST", target, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.getheader("Retry-After")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise WebhookDelayed(f"{parts.hostname}: {error or type(error).__name__}") from error


def _connected(host: str, port: int | None, *, secure: bool) -> http.client.HTTPConnection:
    """To the very address that was looked at: a name that is asked twice may answer with
    another.
    """
    found = socket.getaddrinfo(host, port or (443 if secure else 80), type=socket.SOCK_STREAM)[0][4]
    if settings().environment == "production" and not ip_address(str(found[0])).is_global:
        raise WebhookRefused(f"{host} is {found[0]}, which is not a public address")
    line = socket.create_connection((str(found[0]), int(found[1])), SECONDS)
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.sock = ssl.create_default_context().wrap_socket(line, server_hostname=host) if secure else line
    except BaseException:
        line.close()
        raise
    return connection
