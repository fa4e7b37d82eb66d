"""`forecourt alerts`: what somebody was told without having asked, and whether they would be."""

from dataclasses import asdict

import click

from forecourt.cli.asking import ask
from forecourt.cli.console import Commands, duration, json_option, print_json, print_table, relative, say, warn


@click.group(cls=Commands)
def alerts() -> None:
    """Troubles and who was told of them: list, test."""


@alerts.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True)
@json_option
def list_(limit: int, as_json: bool) -> None:
    """The latest troubles, those first that are not over; what could not be told, and what would be
    told next. Nobody looks for any while nobody is to be told.
    """
    from forecourt.web.api import alerts as api

    found = ask(api.alerts, limit=limit)
    if as_json:
        print_json(asdict(found))
        return
    print_table(
        ["began", "told", "lasted", "check", "status", "what was found"],
        [
            [
                one.began_at,
                one.told_at,
                duration((one.ended_at - one.began_at).total_seconds()) if one.ended_at else "goes on",
                one.subject,
                one.status,
                one.found[:100],
            ]
            for one in found.episodes
        ],
        empty="No trouble was seen. Who would be told of one: FORECOURT_ALERT_MAIL, _WEBHOOK, _APPRISE",
    )
    for one in found.told:
        if one.sent_at is None:
            warn(
                f"not sent by {one.channel} since {one.made_at.astimezone():%Y-%m-%d %H:%M}: {one.words}: {one.error or 'it waits'}"
            )
    for trouble in found.next:
        when = (
            "nobody is to be told"
            if trouble.tell_at is None
            else f"told {relative(trouble.tell_at, found.now)} if it is still so"
        )
        say(f"{trouble.check}: {trouble.found}: {when}", err=True)


@alerts.command()
def test() -> None:
    """Tell everybody who would be told, now and from here, that this is a test."""
    from datetime import UTC, datetime

    from forecourt.alerts import content, sending
    from forecourt.cli.errors import Failed, Refused
    from forecourt.language import LANGUAGES, speaking
    from forecourt.language import gettext as _
    from forecourt.store.alert_messages import Message
    from forecourt.store.alerts import Alert

    channels = sending.channels()
    if not channels:
        raise Refused("nobody is to be told: name somebody with FORECOURT_ALERT_MAIL, _WEBHOOK or _APPRISE")
    now = datetime.now(UTC)
    failed = []
    for number, channel in enumerate(channels):
        with speaking(channel.language):
            found, advice = _("this is how alerts arrive"), _("Nothing is wrong, and nothing to do.")
            trouble = Alert(0, now, None, None, True, content.TEST, "warn", None, found, advice)
            news = content.content([trouble], [], 0, now) | {"type": "forecourt.test"}
        name = f"apprise ({channel.to[0]})" if channel.name.startswith("apprise ") else channel.name
        name += "" if channel.language == "en" else f" in {LANGUAGES[channel.language]}"
        try:
            sending.deliver(Message(-1 - number - int(now.timestamp()), now, channel.name, news))
            say(f"{name}: accepted")
        except Exception as error:  # noqa: BLE001 - whatever the channel says is the answer
            failed.append(name)
            say(f"{name}: {type(error).__name__}: {error}", err=True, fg="red")
    if failed:
        raise Failed(f"not accepted by {' and '.join(failed)}")
