"""`forecourt alerts`: what somebody was told without having asked, and whether they would be."""

import click

from forecourt.cli.console import Commands, duration, json_option, print_json, print_table, say, transaction


@click.group(cls=Commands)
def alerts() -> None:
    """Troubles and who was told of them: list, test."""


@alerts.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True)
@json_option
def list_(limit: int, as_json: bool) -> None:
    """The latest troubles, those first that are not over. Nobody looks for any while nobody is to
    be told.
    """
    from forecourt.store import alerts as store

    with transaction() as tx:
        found = store.latest(tx, limit)
    if as_json:
        print_json([{field: getattr(one, field) for field in one.__slots__} for one in found])
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
            for one in found
        ],
        empty="No trouble was seen. Who would be told of one: FORECOURT_ALERT_MAIL, _WEBHOOK, _APPRISE",
    )


@alerts.command()
def test() -> None:
    """Tell everybody who would be told, now and from here, that this is a test."""
    from datetime import UTC, datetime

    from forecourt.alerts import content, sending
    from forecourt.cli.errors import Failed, Refused
    from forecourt.store.alerts import Alert, Message

    channels = sending.channels()
    if not channels:
        raise Refused("nobody is to be told: name somebody with FORECOURT_ALERT_MAIL, _WEBHOOK or _APPRISE")
    now = datetime.now(UTC)
    trouble = Alert(
        0,
        now,
        None,
        None,
        True,
        "test",
        "warn",
        None,
        "this is how alerts arrive",
        "Nothing is wrong, and nothing to do.",
    )
    told = content.content([trouble], [], 0, now) | {"type": "forecourt.test"}
    failed = []
    for number, channel in enumerate(channels):
        try:
            sending.deliver(Message(-1 - number - int(now.timestamp()), now, channel, told))
            say(f"{sending.shown(channel)}: accepted")
        except Exception as error:  # noqa: BLE001 - whatever the channel says is the answer
            failed.append(sending.shown(channel))
            say(f"{sending.shown(channel)}: {type(error).__name__}: {error}", err=True, fg="red")
    if failed:
        raise Failed(f"not accepted by {' and '.join(failed)}")
