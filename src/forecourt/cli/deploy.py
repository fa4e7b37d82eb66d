"""`forecourt deploy`: prints the files that stand beside Forecourt. Nothing is written and nobody is asked."""

import click

from forecourt.cli.console import Commands
from forecourt.cli.deploying import printers


@click.group(cls=Commands)
def deploy() -> None:
    """Print files for what runs Forecourt, to keep with your own."""


for printer in printers():
    deploy.add_command(printer)
