"""The marketplace's address, as what leaves the house may carry it."""

from urllib.parse import urlsplit

from forecourt.settings import settings

LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - compared with, not bound to


class NoPublicAddress(ValueError):
    """FORECOURT_BASE_URL leads nowhere for anybody but this machine, and this is production."""


def public_address() -> str:
    """What sitemap entries and links in mails start with. Raises NoPublicAddress in production for
    an address that only this machine understands: it would stand in search engines and in mails,
    where nobody can call it back."""
    address = settings().base_url
    host = urlsplit(address).hostname or ""
    if settings().environment == "production" and (host in LOOPBACK or host.endswith(".localhost")):
        raise NoPublicAddress(
            f"FORECOURT_BASE_URL is {address} while FORECOURT_ENVIRONMENT is production: set it to the marketplace's own address, "
            "such as https://cars.example"
        )
    return address
