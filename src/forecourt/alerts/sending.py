"""Sends what is to be told: by an ordinary job, or by whoever watches when no worker does. The
message's row is held meanwhile, so it is sent once; a process that dies between the receiver's yes
and the commit sends it again, under the same id."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg

from forecourt.alerts import apprise, content
from forecourt.jobs.backoff import exponential
from forecourt.jobs.job import job
from forecourt.jobs.outcome import Release
from forecourt.language import LANGUAGES, marked, speaking
from forecourt.settings import settings
from forecourt.store import alert_messages
from forecourt.store.alert_messages import Message

FIRST = -100
"""The priority of alerts in their queue: before all else."""


class Channel(NamedTuple):
    """A way to tell, and the language of those whom it reaches."""

    name: str
    language: str
    to: Sequence[str]


@job(
    name="forecourt.send_alert",
    priority=FIRST,
    tries=20,
    backoff=exponential(10, maximum=timedelta(minutes=30)),
    timeout=60,
)
def send_alert(connection: psycopg.Connection[Any], message: int) -> dict[str, int]:
    """Send a message, unless somebody else has. Tries for about seven hours."""
    if send(connection, message):
        return {"sent": 1}
    if alert_messages.is_unsent(connection, message):
        raise Release(30, "somebody else is sending it")
    return {"sent_already": 1}


def channels() -> list[Channel]:
    """By which alerts are told, as the settings are; none where nobody wants to be told. Of the
    webhook's address only the host, of one of Apprise's the service: the rest is often a secret.
    """
    known = settings()
    languages = dict.fromkeys(language for _, language in known.alert_mail)
    found = [
        Channel(marked("mail"), one, [to for to, language in known.alert_mail if language == one]) for one in languages
    ]
    if known.alert_webhook:
        place = urlsplit(known.alert_webhook).netloc.rpartition("@")[2]
        found.append(Channel(marked("webhook"), known.alert_webhook_language, [place]))
    found += [Channel(name, "en", [apprise.shown(url)]) for name, url in _by_apprise().items()]
    return found


def _by_apprise() -> dict[str, str]:
    """The addresses of Apprise's by their channels. Each is a channel of its own: what one service
    refuses is not told twice by the others.
    """
    kind = marked("apprise")
    return {f"{kind} {blake2b(url.encode(), digest_size=8).hexdigest()}": url for url in settings().alert_apprise}


def tell(tx: psycopg.Connection[Any], news: Callable[[], dict[str, Any]], queue: str) -> list[int]:
    """Have it told by every channel: a row and a call each, in the caller's transaction. `told` is
    asked in each language for what there is to tell.
    """
    contents: dict[str, dict[str, Any]] = {}
    ids = []
    for channel in channels():
        if channel.language not in contents:
            with speaking(channel.language):
                contents[channel.language] = news()
        ids.append(alert_messages.enter(tx, channel.name, contents[channel.language]))
        call = send_alert.using(session=tx, queue=queue).dispatch(message=ids[-1])
        alert_messages.sent_by(tx, ids[-1], call.id)
    return ids


def send(tx: psycopg.Connection[Any], id: int) -> bool:
    """Send a message that nobody has sent or is sending; it counts when the transaction commits.
    Raises what its channel does.
    """
    message = alert_messages.take(tx, id)
    if message is None:
        return False
    alert_messages.sent(tx, id, deliver(message))
    return True


def deliver(message: Message) -> Sequence[str]:
    """Hand a message over, whatever is known of it, and say to whom it went. Raises what its
    channel does.
    """
    news, known = message.content, settings()
    language = news.get("language", "en")
    channel = next((one for one in channels() if one.name == message.channel and one.language == language), None)
    match channel:
        case Channel("mail", _, to):
            key = f"forecourt alert {message.id} {message.created_at.isoformat()}"
            with speaking(language):
                subject, text = content.subject(news), content.text(news)
            from forecourt.alerts import mail  # every slot would carry half of the standard library for it

            mail.hand_over(mail.compose(to, subject, text, key=key, at=message.created_at, language=language))
            return to
        case Channel("webhook", _, to) if known.alert_webhook and known.alert_secret:
            from forecourt.alerts import webhook

            webhook.post(known.alert_webhook, known.alert_secret, f"msg_{message.id}", news)
            return to
        case Channel(name, _, to) if name in (addresses := _by_apprise()):
            apprise.send(addresses[name], content.subject(news), content.text(news), failure=bool(news["began"]))
            return to
        case _:
            kind = message.channel.partition(" ")[0]
            name = f"FORECOURT_ALERT_{kind.upper()}"
            raise ValueError(
                f"this alert goes by {kind} in {LANGUAGES[language]}, and {name} is not set on this host"
                " for anybody who reads it"
            )
