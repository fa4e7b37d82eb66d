"""`forecourt web`: the web server by itself, and who may sign in to it or ask with a token."""

from typing import TYPE_CHECKING

import click

from forecourt.cli.console import Commands, say
from forecourt.cli.people import user
from forecourt.cli.tokens import token

if TYPE_CHECKING:
    from socket import socket


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def web(context: click.Context) -> None:
    """Serve the pages and the health endpoints at FORECOURT_WEB_HOST and FORECOURT_WEB_PORT, until
    a signal says stop.
    """
    if context.invoked_subcommand is not None:
        return
    from forecourt import logs
    from forecourt.database import database_url
    from forecourt.settings import settings
    from forecourt.web.server import serve

    logs.configure()
    host, port = settings().web_host, settings().web_port
    with listening(host, port) as opened:
        database_url()
        say(f"The pages are at {address(host, port)}", err=True)
        serve(opened)


web.add_command(user)
web.add_command(token)


def listening(host: str, port: int) -> "socket":
    """The server's socket, or words and an exit code for whoever asked for an address that it
    cannot have.
    """
    from forecourt.cli.errors import Refused
    from forecourt.web.guard import OpenToOthers, is_loopback
    from forecourt.web.server import CannotListen, listen

    try:
        return listen(host, port, guarded=not is_loopback(host) and _somebody_is_asked())
    except OpenToOthers as error:
        raise Refused(str(error)) from None
    except CannotListen as error:
        raise click.ClickException(f"{error}. Choose another with FORECOURT_WEB_PORT") from None


def address(host: str, port: int) -> str:
    """Where a browser finds the pages."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _somebody_is_asked() -> bool:
    import psycopg

    from forecourt.cli.console import transaction
    from forecourt.settings import settings
    from forecourt.store import people, tokens

    if settings().web_trusted_proxy:
        return True
    try:
        with transaction() as tx:
            return people.known(tx) or tokens.known(tx)
    except psycopg.errors.UndefinedTable:
        return False
