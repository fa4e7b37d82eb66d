"""`forecourt notices apprise|push|bounced`: further ways to a user, and mails that come back."""

import sys

import click

from forecourt.cli.addressees import tell_off
from forecourt.cli.console import ID, Commands, json_option, me, print_result, transaction


@click.command()
@click.argument("user_id", metavar="USER", type=ID)
@click.argument("url", required=False)
@click.option("--off", is_flag=True, help="Send no more.")
@json_option
def apprise(user_id: int, url: str | None, off: bool, as_json: bool) -> None:
    """Where the notices of USER go by Apprise: shown, without its secrets, or URL from now on, such
    as tgram://TOKEN/CHAT. An operator's to enter: it may name any server, this network's too.
    """
    from forecourt.alerts.apprise import shown
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace import apprise_notices
    from forecourt.store import audit

    if off and url:
        raise click.UsageError("Either a URL or --off")
    with transaction() as tx:
        if url:
            if not apprise_notices.set_address(tx, user_id, url):
                raise NotFound(f"there is no user {user_id}")
            audit.record(tx, me(), "notices apprise", {"user": user_id, "service": shown(url)})
            words = f"The notices of user {user_id} go to {shown(url)} as well."
            print_result(as_json, words, {"user": user_id, "service": shown(url)})
            return
        if off:
            tell_off(tx, "apprise", "sent", user_id, apprise_notices.remove_address(tx, user_id), as_json)
            return
        found = apprise_notices.address(tx, user_id)
    service, since = found or (None, None)
    words = f"{service}, since {since:%Y-%m-%d}" if service else f"User {user_id} has no address of Apprise's."
    print_result(as_json, words, {"user": user_id, "service": service, "since": since})


@click.group(cls=Commands)
def push() -> None:
    """Web Push: notices in the browsers of those who subscribed."""


@push.command()
@json_option
def keys(as_json: bool) -> None:
    """The public key, with which browsers subscribe: applicationServerKey. The first time the pair
    is made.
    """
    from forecourt.marketplace.push import make_keys, subscriptions
    from forecourt.store import audit

    with transaction() as tx:
        public, made = make_keys(tx)
        browsers = subscriptions(tx)
        if made:
            audit.record(tx, me(), "notices push keys", {"public_key": public})
    print_result(as_json, public, {"public_key": public, "made": made, "subscriptions": browsers})


@click.command()
@json_option
def bounced(as_json: bool) -> None:
    """Take note of a mail that came back: the message, as the mail server pipes it in. One that is
    no report about a mail of ours changes nothing.

    Ends with 0, whatever the message is, so that no server answers a bounce; with 75 while the
    database is away, so that it comes again.
    """
    from forecourt.cli.errors import UNREACHABLE, Busy, explained
    from forecourt.marketplace.bounces import LONGEST, came_back

    begin = sys.stdin.buffer.read(LONGEST)
    while sys.stdin.buffer.read(LONGEST):  # whoever writes into a closed pipe takes it for a failure
        pass
    try:
        with transaction() as tx:
            words = came_back(tx, begin)
    except Exception as error:
        code, why = explained(error)
        if code == UNREACHABLE:
            raise Busy(f"nothing was noted; send it again. {why}") from error
        raise
    print_result(
        as_json, f"{words[:1].upper()}{words[1:]}.", {"noted": not words.startswith("nothing"), "words": words}
    )
