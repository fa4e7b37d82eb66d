"""`forecourt sitemap`: the sitemap, by hand."""

from pathlib import Path
from typing import BinaryIO

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
    from forecourt.marketplace import places
    from forecourt.marketplace.sitemap import generate_sitemap

    say("Generating sitemap...", err=True)
    done = generate_sitemap(force=force)
    if as_json:
        print_json(done)
        return
    say("Sitemap generated successfully!", err=True)
    place = places.public()
    where = place / "sitemap.xml" if isinstance(place, Path) else f"sitemap.xml in {place.where}"
    say(f"{done['urls']} URLs in {done['files']} files, {done['rewritten']} rewritten: {where}")


@sitemap.command()
@click.argument("where", metavar="FILE|URL|DIR", required=False)
@json_option
def validate(where: str | None, as_json: bool) -> None:
    """Check a sitemap against the protocol, with all files of an index; our own when nothing is named. Exit code 1 when something
    is wrong."""
    from dataclasses import asdict

    from forecourt.cli.errors import Failed
    from forecourt.marketplace.sitemap_check import beside, check
    from forecourt.settings import settings

    if where and where.startswith(("http://", "https://")):
        found = list(check(where, _download, lambda address: address))
    else:
        path = Path(where) if where else settings().public
        path = path / "sitemap.xml" if path.is_dir() else path
        found = list(check(str(path), _open, beside(path.parent)))
    if as_json:
        print_json([asdict(file) for file in found])
    else:
        for file in found:
            say(f"{file.name}: {file.urls} entries" + ("" if file.findings else ", valid"))
            for words in file.findings:
                say(f"  {words}", fg="red")
    if any(file.findings for file in found):
        raise Failed("the sitemap does not keep the protocol")


def _open(name: str) -> BinaryIO:
    return Path(name).open("rb")


def _download(address: str) -> BinaryIO:
    from urllib.request import Request, urlopen

    request = Request(address, headers={"User-Agent": "Forecourt sitemap validate"})  # noqa: S310 - http(s), checked above
    answer: BinaryIO = urlopen(request, timeout=30)  # noqa: S310
    return answer
