"""A signed POST, as Standard Webhooks has it, so that receivers find a library that checks it in
their language.

The signature is HMAC-SHA256 of `id.timestamp.body`. The id is the message's: who has seen it has
seen the message. The timestamp is of this try: who refuses old ones cannot be sent an old message
again by somebody who listened.
"""

import hmac
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import orjson

from forecourt.version import __version__

TIMEOUT = 10
"""Seconds for the connection, and for each part of the answer."""


class NotDelivered(RuntimeError):
    """The receiver did not answer with 2xx; the message says what it answered, and not the path,
    which is often a secret.
    """


def post(url: str, secret: str, id: str, body: dict[str, Any]) -> None:
    """Send it. Raises NotDelivered."""
    payload = orjson.dumps(body)
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"forecourt/{__version__}",
        "Webhook-Id": id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": signature(secret, id, timestamp, payload),
    }
    request = urllib.request.Request(url, payload, headers)  # noqa: S310 - http and https only, checked with the settings
    place = urlsplit(url).netloc.rpartition("@")[2]
    try:
        with _opener.open(request, timeout=TIMEOUT) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        with error:
            raise NotDelivered(f"the webhook at {place} answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise NotDelivered(f"the webhook at {place} was not reached: {error}") from None
    except HTTPException as error:  # whose words may hold the path
        raise NotDelivered(f"the webhook at {place} does not speak HTTP: {type(error).__name__}") from None


def signature(secret: str, id: str, timestamp: str, payload: bytes) -> str:
    """The header's value. A secret that begins with whsec_ is base64, any other is taken as it
    is.
    """
    key = b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = hmac.digest(key, f"{id}.{timestamp}.".encode() + payload, "sha256")
    return f"v1,{b64encode(signed).decode()}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET without its body, and count as delivered."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)
