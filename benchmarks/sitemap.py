"""The sitemap, beside a generator that makes the same entries and writes them."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from gzip import GzipFile, decompress
from hashlib import sha256
from html import escape
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks.apart import apart
from benchmarks.ground import Ground
from benchmarks.market import have_listings
from benchmarks.measure import Figures, Row, Scale, at_least, at_most, in_turn, ratios
from forecourt.database import session
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.settings import settings

URLS = 1_000_000
A_SHARD = 25_600

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Both sides begin without files and in a process of their own, and leave the same entries
    behind.
    """
    urls = scale.of(URLS)
    peaks: list[float] = []
    with ground.fresh() as url:
        few = _filled(url, 1, max(1, urls // 10))
        (_, little) = apart(_ours, few)
        _filled(url, few + 1, urls)
        theirs_in = ground.folder / "generated"
        theirs_in.mkdir()

        def ours() -> float:
            _clear(settings().public)
            seconds, peak = apart(_ours, urls)
            peaks.append(peak)
            return seconds

        def theirs() -> float:
            _clear(theirs_in)
            seconds, _ = apart(_generated, theirs_in, urls)
            return seconds

        mine, generated = in_turn(scale.rounds, ours, theirs)
        entries = _entries(settings().public)
        assert entries[0] == urls, f"{entries[0]} of {urls} listings"
        assert entries == _entries(theirs_in), "the sides wrote different entries"
    size = sum(path.stat().st_size for path in theirs_in.iterdir())
    memory = Figures(tuple(peaks), " MB")
    return [
        at_least(
            "sitemap",
            0.7,
            ratios(generated, mine),
            f"{urls:,} URLs from the database, {size / 1e6:.0f} MB: {Figures(mine, ' s')}; "
            f"the same bytes from a generator {Figures(generated, ' s')}",
            "a generator's speed",
        ),
        at_most("sitemap: memory", 80, memory, f"peak of the process, {urls:,} URLs"),
        at_most(
            "sitemap: memory stays flat",
            1.1,
            ratios(peaks, [little] * len(peaks)),
            f"{urls:,} URLs: {memory}; {few:,} URLs: {little:.1f} MB",
        ),
    ]


def _filled(url: str, first: int, last: int) -> int:
    with session() as tx:
        have_listings(tx, first, last)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return last


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _ours(urls: int) -> float:
    begun = time.perf_counter()
    counts = generate_sitemap(force=True)
    seconds = time.perf_counter() - begun
    assert counts["urls"] == urls + 3, f"{counts['urls']} of {urls} URLs and 3 pages"
    return seconds


def _generated(folder: Path, urls: int) -> float:
    """The plain way in its best form: entries joined by the thousand, the same files, each named
    when it is on the disk.
    """
    begun = time.perf_counter()
    entries = _made(settings().base_url, urls)
    for shard in range(-(-(urls + 1) // A_SHARD)):
        temporary = folder / "writing"
        with temporary.open("wb") as file, GzipFile("", "wb", 6, file, mtime=0) as out:
            out.write(HEAD)
            left = A_SHARD - (shard == 0)  # ids begin with 1, and a shard ends before an id
            while left and (joined := list(islice(entries, min(left, 1_000)))):
                out.write("".join(joined).encode())
                left -= len(joined)
            out.write(b"</urlset>\n")
            out.close()
            os.fsync(file.fileno())
        temporary.rename(folder / f"sitemap-listings-{shard + 1:04}.xml.gz")
    return time.perf_counter() - begun


def _made(base: str, urls: int) -> Iterator[str]:
    for slug, updated_at in _rows(urls):
        yield (
            f"<url><loc>{escape(f'{base}/car-listings/{slug}')}</loc><lastmod>{updated_at.isoformat()}Z</lastmod>"
            "<changefreq>weekly</changefreq><priority>0.8</priority></url>\n"
        )


def _rows(urls: int) -> Iterator[tuple[str, datetime]]:
    days = [datetime(2026, 1, 1) + timedelta(days=day) for day in range(300)]  # noqa: DTZ001 - UTC, as the Z will say
    for n in range(1, urls + 1):
        yield f"kia-rio-2019-automatic-{n}", days[n % 300]


def _entries(folder: Path) -> tuple[int, str]:
    """How many listings the files of a folder name, and a digest of their entries in order."""
    count, digest = 0, sha256()
    for path in sorted(folder.iterdir()):
        packed = path.read_bytes()
        for line in (decompress(packed) if path.suffix == ".gz" else packed).splitlines():
            if b"/car-listings/" in line:
                count += 1
                digest.update(line)
    return count, digest.hexdigest()
