"""Sends by Apprise, to whatever service it knows: Telegram, ntfy, Slack, Matrix and a hundred more.

An address of Apprise's holds the password or token of the account that it writes by. So only its
first word is ever shown, and of what a service answered, nothing that stands in the address.
"""

import logging
import re
from typing import Any
from urllib.parse import unquote

INSTALL = "pip install 'forecourt[apprise]'"


class AppriseMissing(RuntimeError):
    """Apprise is not installed here."""

    def __init__(self) -> None:
        super().__init__(f"Apprise is not installed here: {INSTALL}")


class NotAnAddress(ValueError):
    """Apprise knows no such service, or misses something in its address."""


class NotSent(RuntimeError):
    """The service did not take it; the message says what Apprise says of that, not the address."""


def checked(url: str) -> str:
    """The address, if Apprise can write there. Raises NotAnAddress and AppriseMissing."""
    _service(url)
    return url


def send(url: str, title: str, body: str, *, failure: bool = False) -> None:
    """Send it. Raises NotSent, NotAnAddress and AppriseMissing."""
    service = _service(url)
    from apprise import LogCapture, NotifyType

    with LogCapture(  # type: ignore[no-untyped-call]
        level=logging.WARNING, fmt="%(message)s"
    ) as said:
        done = service.notify(
            title=title, body=body, notify_type=NotifyType.FAILURE if failure else NotifyType.INFO, body_format="text"
        )
        words = said.getvalue()
    if not done:
        raise NotSent(
            f"{shown(url)} did not take it: {_without(url, ' '.join(words.split()))[:500] or 'it says no more'}"
        )


def shown(url: str) -> str:
    """Which service it is, and nothing else of its address."""
    return f"{url.partition('://')[0]}://…"


def _service(url: str) -> Any:
    try:
        import apprise
    except ModuleNotFoundError:
        raise AppriseMissing from None
    logging.getLogger("apprise").propagate = False  # what it would log names hosts and accounts; NotSent says it
    service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(app_id="Forecourt", app_desc="Forecourt"))
    if service is None:
        raise NotAnAddress(f"Apprise knows no service for {shown(url)}, or its address is not whole")
    return service


def _without(url: str, words: str) -> str:
    """What was said, without any part of the address that is long enough to be a secret."""
    for part in sorted(set(re.findall(r"[^/:@?&=,]{4,}", f"{url} {unquote(url)}".partition("://")[2])), key=len)[::-1]:
        words = words.replace(part, "…")
    return words
