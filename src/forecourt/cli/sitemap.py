"""`forecourt sitemap`: the sitemap, by hand."""

import click

from forecourt.cli.console import Commands, json_option, print_json, say


@click.group(cls=Commands)
def sitemap() -> None:
    """The marketplace's sitemap."""


@sitemap.command()
@click.option("--force", is_flag=True, help="Publish even when more than half of the pages are gone.")
@json_option
def generate(force: bool, as_json: bool) -> None:
    """Write sitemap.xml anew."""
    from forecourt.marketplace.sitemap import generate_sitemap
    from forecourt.settings import settings

    done = generate_sitemap(force=force)
    if as_json:
        print_json(done)
        return
    say(
        f"{done['urls']} URLs in {done['files']} files, {done['rewritten']} rewritten: {settings().public / 'sitemap.xml'}"
    )
