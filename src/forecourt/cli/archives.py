"""`forecourt analytics archive list|verify|restore`: the files of archived events."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import json_option, print_json, print_result, print_table, say

if TYPE_CHECKING:
    from forecourt.marketplace.restore import Archive


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The archive files, oldest events first."""
    from forecourt.marketplace.restore import archives

    rows = [
        {
            "path": each.path,
            "from": each.lower,
            "to": each.upper,
            "events": each.contents.rows,
            "bytes": each.bytes,
            "archived_at": each.archived_at,
            "there": each.is_there(),
        }
        for each in archives()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["path", "from", "to", "events", "bytes", "archived at", "file"],
        [[*list(row.values())[:-1], "" if row["there"] else "missing"] for row in rows],
        empty="Nothing was archived yet.",
    )


@click.command()
@click.argument("paths", nargs=-1, metavar="PATHS")
@json_option
def verify(paths: Sequence[str], as_json: bool) -> None:
    """Read the files at PATHS, or all of them, and compare each with what was archived. Exit code 1
    when one is not the same.
    """
    from forecourt.cli.errors import Failed
    from forecourt.marketplace.restore import archives

    chosen = [_named(path) for path in paths] or archives()
    found = [_verified(each) for each in chosen]
    if as_json:
        print_json(found)
    else:
        for each in found:
            say(f"{each['path']}: {each['wrong'] or 'as it was archived'}", fg="red" if each["wrong"] else None)
    if wrong := sum(each["wrong"] is not None for each in found):
        raise Failed(f"{wrong} of {len(found)} files are not what was archived")
    if not as_json:
        say(f"{len(found)} files hold what was archived.", err=True)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATHS")
@json_option
def restore(paths: Sequence[str], as_json: bool) -> None:
    """Bring the events of the files at PATHS back, into the table car_listing_analytics_restored,
    beside the live ones.
    """
    from forecourt.cli.errors import Failed
    from forecourt.marketplace.restore import restore as bring_back
    from forecourt.marketplace.storage import StorageError

    events = restored = 0
    for path in [_named(path).path for path in paths]:
        try:
            counts = bring_back(path)
        except (OSError, StorageError) as error:  # damaged or missing: pyarrow's errors are among these
            raise Failed(f"{path}: {error}") from None
        events += counts["events"]
        restored += counts["restored"]
    words = f"{restored} of {events} events came back, the others were there: see car_listing_analytics_restored."
    print_result(as_json, words, {"events": events, "restored": restored})


def _named(path: str) -> "Archive":
    from forecourt.cli.errors import NotFound
    from forecourt.marketplace.restore import named

    try:
        return named(path)
    except LookupError as unknown:
        raise NotFound(str(unknown)) from None


def _verified(archive: "Archive") -> dict[str, Any]:
    import pyarrow as pa

    from forecourt.marketplace.archive import ArchiveError
    from forecourt.marketplace.restore import verify as compare
    from forecourt.marketplace.storage import NotStoredError

    try:
        compare(archive)
    except NotStoredError:
        wrong: str | None = "the file is missing"
    except (ArchiveError, pa.ArrowException, OSError) as error:
        wrong = str(error)
    else:
        wrong = None
    return {"path": archive.path, "events": archive.contents.rows, "wrong": wrong}
