"""`forecourt sitemap`: the sitemap, by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from forecourt.cli.console import Commands, json_option, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecourt.marketplace.sitemap_check import Open


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
    """Check a sitemap against the protocol, with all files of an index; our own when nothing is
    named. Exit code 1 when something is wrong."""
    from dataclasses import asdict

    from forecourt.cli.errors import Failed
    from forecourt.marketplace.sitemap_check import check

    found = list(check(*_source(where)))
    if as_json:
        print_json([asdict(file) for file in found])
    else:
        for file in found:
            say(f"{file.name}: {file.urls} entries" + ("" if file.findings else ", valid"))
            for words in file.findings:
                say(f"  {words}", fg="red")
    if any(file.findings for file in found):
        raise Failed("the sitemap does not keep the protocol")


@sitemap.command()
@click.argument("where", metavar="FILE|URL|DIR", required=False)
@click.option("--limit", type=click.IntRange(0, 1_000_000), default=20, show_default=True, help="Of each kind.")
@json_option
def diff(where: str | None, limit: int, as_json: bool) -> None:
    """What the next run would publish that a sitemap does not say: the published one, unless
    another is named.
    """
    from dataclasses import asdict

    from forecourt.cli.errors import Failed
    from forecourt.marketplace.scratch import scratch
    from forecourt.marketplace.sitemap import draft
    from forecourt.marketplace.sitemap_check import beside
    from forecourt.marketplace.sitemap_diff import difference, entries

    try:
        old = entries(*_source(where))
    except OSError as missing:
        why = (
            f"there is no {missing.filename}"
            if isinstance(missing, FileNotFoundError) and missing.filename
            else missing
        )
        raise Failed(f"{why}: `forecourt sitemap generate` publishes one") from None
    with scratch() as folder:
        draft(folder)
        new = entries(str(folder / "sitemap.xml"), _open, beside(folder))
    found = difference(old, new)
    if as_json:
        print_json(asdict(found))
        return
    for sign, lines in (("+", found.added), ("-", found.removed), ("~", [loc for loc, _, _ in found.changed])):
        for line in lines[:limit]:
            say(f"{sign} {line}")
    say(f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed.", err=True)


@sitemap.command()
def robots() -> None:
    """The line of robots.txt that tells crawlers where the sitemap is."""
    from forecourt.marketplace.address import public_address

    say(f"Sitemap: {public_address()}/sitemap.xml")


def _source(where: str | None) -> "tuple[str, Open, Callable[[str], str]]":
    """The sitemap at an address, in a file or folder, else ours: its name, how to open it, and
    where an index's files are.
    """
    from forecourt.marketplace import places
    from forecourt.marketplace.sitemap_check import beside
    from forecourt.marketplace.sitemap_diff import in_memory

    if where and where.startswith(("http://", "https://")):
        return where, _download, lambda address: address
    place = Path(where) if where else places.public()
    if not isinstance(place, Path):
        return "sitemap.xml", *in_memory({key: place.read(key) for key in list(place.keys("sitemap"))})
    path = place / "sitemap.xml" if place.is_dir() or not where else place
    return str(path), _open, beside(path.parent)


def _open(name: str) -> BinaryIO:
    return Path(name).open("rb")


def _download(address: str) -> BinaryIO:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    request = Request(address, headers={"User-Agent": "Forecourt sitemap validate"})  # noqa: S310 - http(s), checked above
    try:
        answer: BinaryIO = urlopen(request, timeout=30)  # noqa: S310
    except HTTPError as error:
        error.close()
        raise
    return answer
