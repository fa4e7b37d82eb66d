"""`forecourt web`: the web server by itself."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from socket import socket


@click.command()
def web() -> None:
    """Serve the health endpoints at FORECOURT_WEB_HOST and FORECOURT_WEB_PORT, until a signal says stop."""
    from forecourt import logs
    from forecourt.database import database_url
    from forecourt.settings import settings
    from forecourt.web.server import serve

    logs.configure()
    with listening(settings().web_host, settings().web_port) as opened:
        database_url()
        serve(opened)


def listening(host: str, port: int) -> "socket":
    """The server's socket, or words and an exit code for whoever asked for an address that it cannot have."""
    from forecourt.cli.errors import Refused
    from forecourt.web.guard import OpenToOthers
    from forecourt.web.server import CannotListen, listen

    try:
        return listen(host, port)
    except OpenToOthers as error:
        raise Refused(str(error)) from None
    except CannotListen as error:
        raise click.ClickException(f"{error}. Choose another with FORECOURT_WEB_PORT") from None
