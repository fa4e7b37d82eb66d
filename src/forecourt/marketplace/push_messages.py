"""What a push service is handed: a message that only the browser can read (RFC 8291), and a word
of ours by which the service knows who sends (VAPID, RFC 8292).
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from email.utils import parseaddr
from urllib.parse import urlsplit

import orjson

from forecourt.marketplace.news import News
from forecourt.settings import settings

MOST = 3_993
"""Bytes of a message: a push service takes 4,096, of which the encryption needs the rest."""

LONGEST_TITLE = 200
LONGEST_BODY = 1_000
"""Characters; what stands in the app in full is told here in short. Four bytes each still fit."""

WORD_LASTS = 12 * 3600
"""Seconds for which our word to a service holds; it may be a day at most."""

INSTALL = "pip install 'forecourt[push]'"


class PushMissing(RuntimeError):
    """The packages of Web Push are not installed here."""

    def __init__(self) -> None:
        super().__init__(f"Web Push needs packages that are not installed here: {INSTALL}")


def new_keys() -> tuple[str, str]:
    """A pair of keys, the public one first, each as base64url. Raises PushMissing."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    except ModuleNotFoundError:
        raise PushMissing from None
    pair = ec.generate_private_key(ec.SECP256R1())
    public = pair.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _written(public), _written(pair.private_numbers().private_value.to_bytes(32))


def payload(news: News) -> bytes:
    """What the front end's service worker is handed, as JSON."""
    fields = {
        "id": str(news.id),
        "kind": news.kind,
        "title": news.title[:LONGEST_TITLE],
        "body": news.body[:LONGEST_BODY],
        "link": news.link,
        "language": news.language,
        "direction": news.direction,
        "timestamp": news.created_at,
    }
    packed = orjson.dumps(fields)
    return packed if len(packed) <= MOST else orjson.dumps(fields | {"body": "", "title": news.title[:50]})


def sealed(message: bytes, p256dh: str, auth: str) -> bytes:
    """The message as only the holder of the subscription can read it. Raises PushMissing, and
    ValueError for keys that are none.
    """
    try:
        import http_ece
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError:
        raise PushMissing from None
    once = ec.generate_private_key(ec.SECP256R1())  # for this message alone: nothing is learned from it of another
    body: bytes = http_ece.encrypt(
        message, private_key=once, dh=_read(p256dh), auth_secret=_read(auth), version="aes128gcm"
    )
    return body


def our_word(endpoint: str, private_key: str) -> str:
    """The Authorization header for the service of this endpoint. Raises PushMissing."""
    try:
        from py_vapid import Vapid02
    except ModuleNotFoundError:
        raise PushMissing from None
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + WORD_LASTS,
        "sub": _whom_to_ask(),
    }
    signed: str = Vapid02.from_raw(private_key.encode()).sign(claims)["Authorization"]
    return signed


def _whom_to_ask() -> str:
    """Whom a service may turn to that has trouble with us; they refuse one that leads nowhere."""
    address = settings().base_url
    host = urlsplit(address).netloc
    return f"https://{host}" if address.startswith("https://") else f"mailto:{parseaddr(settings().mail_from)[1]}"


def _written(key: bytes) -> str:
    return urlsafe_b64encode(key).decode().rstrip("=")


def _read(key: str) -> bytes:
    return urlsafe_b64decode(key.rstrip("=") + "=" * (-len(key.rstrip("=")) % 4))
