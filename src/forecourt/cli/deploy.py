"""`forecourt deploy`: prints the files that run Forecourt, and those that watch it. Nothing is
written and nobody is asked.
"""

import click

from forecourt.cli.console import Commands
from forecourt.cli.deploying import printers


@click.group(cls=Commands)
def deploy() -> None:
    """Print files for what runs Forecourt and what watches it, to keep with your own."""


for printer in printers():
    deploy.add_command(printer)


@deploy.command()
def alerts() -> None:
    """Alerting rules for Prometheus: forecourt deploy alerts > forecourt.rules.yml"""
    from importlib.resources import files

    click.echo(files("forecourt.deploy").joinpath("alerts.yml").read_text(), nl=False)


@deploy.command()
def grafana() -> None:
    """A dashboard for Grafana: forecourt deploy grafana > forecourt.json"""
    import json

    from forecourt.deploy.grafana import dashboard

    click.echo(json.dumps(dashboard(), indent=2))
