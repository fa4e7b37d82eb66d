"""Sends what is to be told: by an ordinary job, or by whoever watches when no worker does. The
message's row is held meanwhile, so it is sent once; a process that dies between the receiver's yes
and the commit sends it again, under the same id."""

from datetime import timedelta
from hashlib import blake2b
from typing import Any

import psycopg

from forecourt.alerts import apprise, content, mail, webhook
from forecourt.jobs.backoff import exponential
from forecourt.jobs.job import job
from forecourt.jobs.outcome import Release
from forecourt.settings import settings
from forecourt.store import alerts
from forecourt.store.alerts import Message

FIRST = -100
"""The priority of alerts in their queue: before all else."""


@job(
    name="forecourt.send_alert",
    priority=FIRST,
    tries=20,
    backoff=exponential(10, maximum=timedelta(minutes=30)),
    timeout=60,
)
def send_alert(message: int, *, connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Send a message, unless somebody else has. Tries for about seven hours."""
    if send(connection, message):
        return {"sent": 1}
    if alerts.is_unsent(connection, message):
        raise Release(30, "somebody else is sending it")
    return {"sent_already": 1}


def channels() -> list[str]:
    """By which alerts are told, as the settings are; none where nobody wants to be told."""
    mail_and_webhook = (["mail"] if settings().alert_mail else []) + (["webhook"] if settings().alert_webhook else [])
    return [*mail_and_webhook, *_by_apprise()]


def shown(channel: str) -> str:
    """A channel for people: of an address of Apprise's only which service it is."""
    url = _by_apprise().get(channel)
    return channel if url is None else apprise.shown(url)


def _by_apprise() -> dict[str, str]:
    """The addresses of Apprise's by their channels. Each is a channel of its own: what one service
    refuses is not told twice by the others.
    """
    return {f"apprise {blake2b(url.encode(), digest_size=8).hexdigest()}": url for url in settings().alert_apprise}


def tell(tx: psycopg.Connection[Any], told: dict[str, Any], queue: str) -> list[int]:
    """Have it told by every channel: a row and a call each, in the caller's transaction."""
    ids = [alerts.enter(tx, channel, told) for channel in channels()]
    for id in ids:
        send_alert.using(session=tx, queue=queue).dispatch(message=id)
    return ids


def send(tx: psycopg.Connection[Any], id: int) -> bool:
    """Send a message that nobody has sent or is sending; it counts when the transaction commits.
    Raises what its channel does.
    """
    message = alerts.take(tx, id)
    if message is None:
        return False
    deliver(message)
    alerts.sent(tx, id)
    return True


def deliver(message: Message) -> None:
    """Hand a message over, whatever is known of it. Raises what its channel does."""
    told, known = message.content, settings()
    match message.channel:
        case "mail" if known.alert_mail:
            key = f"forecourt alert {message.id} {message.created_at.isoformat()}"
            mail.hand_over(
                mail.compose(
                    known.alert_mail, content.subject(told), content.text(told), key=key, at=message.created_at
                )
            )
        case "webhook" if known.alert_webhook and known.alert_secret:
            webhook.post(known.alert_webhook, known.alert_secret, f"msg_{message.id}", told)
        case channel if channel in (addresses := _by_apprise()):
            apprise.send(addresses[channel], content.subject(told), content.text(told), failure=bool(told["began"]))
        case channel:
            name = channel.partition(" ")[0]
            raise ValueError(f"this alert goes by {name}, and FORECOURT_ALERT_{name.upper()} is not set on this host")
