"""`forecourt deploy supervisor|systemd|...`: the files that run Forecourt, printed from the current
settings.
"""

from collections.abc import Callable
from importlib import import_module

import click

PRINTERS = {
    "supervisor": "Supervisor's programs: forecourt deploy supervisor > /etc/supervisor/conf.d/shop.conf",
    "crontab": "The line that replaces the clock: forecourt deploy crontab",
    "procfile": "For Heroku, Foreman and Honcho: forecourt deploy procfile > Procfile",
    "docker": "An image: forecourt deploy docker > Dockerfile",
    "compose": "Everything on one machine: forecourt deploy compose > compose.yaml",
    "kubernetes": "Deployments, service and settings: forecourt deploy kubernetes > forecourt.yaml",
    "nginx": "The pages behind nginx: forecourt deploy nginx > /etc/nginx/sites-available/shop",
}
"""The modules of `forecourt.deploy` that make one file of a site, and what each command says of
itself.
"""

UNITS = ("worker", "clock", "web")


def printers() -> list[click.Command]:
    """The commands, for the group `forecourt deploy`."""
    return [*(click.Command(name, callback=_printing(name), help=words) for name, words in PRINTERS.items()), systemd]


def _printing(name: str) -> Callable[[], None]:
    def print_it() -> None:
        from forecourt.app import load
        from forecourt.deploy.site import here

        make = getattr(import_module(f"forecourt.deploy.{name}"), name)
        click.echo(make(here(load())), nl=False)

    return print_it


@click.command()
@click.argument("unit", type=click.Choice(UNITS))
def systemd(unit: str) -> None:
    """One of systemd's units: forecourt deploy systemd worker >
    /etc/systemd/system/shop-worker.service
    """
    from forecourt.app import load
    from forecourt.deploy.site import here
    from forecourt.deploy.systemd import systemd as make

    click.echo(make(here(load()), unit), nl=False)
