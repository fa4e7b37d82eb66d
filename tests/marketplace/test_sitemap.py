"""Promises of the sitemap: valid, complete, within the limits, and never half published."""

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from lxml import etree
from showroom import ago, listing, provider, user
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from forecourt.database import engine
from forecourt.marketplace import sitemap, urlset
from forecourt.marketplace.address import NoPublicAddress
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.sitemap import SitemapError, SitemapShrankError, generate_sitemap
from forecourt.marketplace.urlset import Published, Urlset
from forecourt.settings import settings

NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
PROTOCOL = Path(__file__).parent / "protocol" / "sitemap.xsd"
SCHEMA = etree.XMLSchema(etree.parse(PROTOCOL))
STATIC = ["/", "/car-marketplace", "/rent-car"]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a site of a few dozen pages: 20 URLs a file, cut after 10 at every fourth
    id.
    """
    monkeypatch.setattr(urlset, "MAX_URLS", 20)
    monkeypatch.setattr(sitemap, "MAX_URLS", 20)
    monkeypatch.setattr(sitemap, "CUT", 4)
    monkeypatch.setattr(sitemap, "PAGE", 7)


def listings(session: Session, count: int, slug: str = "car-", **columns: object) -> None:
    """Many listings at once, with ids from 1 on in an empty database."""
    owner = user(session, f"owner-of-{slug[:9]}")
    session.execute(
        text(
            """
            INSERT INTO car_listings (owner_id, title, slug, updated_at)
            SELECT :owner, 'Kia Rio', :slug || n, '2026-01-01Z' FROM generate_series(1, CAST(:count AS int)) AS n
            """
        ),
        {"owner": owner.id, "slug": slug, "count": count},
    )
    session.commit()


def published() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(settings().public.iterdir())}


def parsed(name: str = "sitemap.xml") -> etree._Element:
    """A published file, held against the rules of the protocol."""
    packed = (settings().public / name).read_bytes()
    content = gzip.decompress(packed) if name.endswith(".gz") else packed
    assert len(content) <= 52_428_800
    root = etree.fromstring(content)
    if root.tag == NAMESPACE + "urlset":
        SCHEMA.assertValid(root)
        assert len(root) <= 50_000
    else:
        assert root.tag == NAMESPACE + "sitemapindex"
        assert 1 <= len(root) <= 50_000
        for entry in root:
            assert [child.tag for child in entry] in ([NAMESPACE + "loc"], [NAMESPACE + "loc", NAMESPACE + "lastmod"])
            assert entry[-1].tag == NAMESPACE + "loc" or datetime.fromisoformat(entry[-1].text).tzinfo
    return root


def locs(root: etree._Element) -> list[str]:
    return [loc.text for loc in root.iter(NAMESPACE + "loc")]


def everything() -> list[str]:
    """Every address of the site, as a crawler finds it: from sitemap.xml on."""
    root = parsed()
    if root.tag == NAMESPACE + "urlset":
        return locs(root)
    return [loc for shard in locs(root) for loc in locs(parsed(shard.removeprefix(settings().base_url + "/")))]


def paths() -> list[str]:
    return [loc.removeprefix(settings().base_url) for loc in everything()]


def test_static_pages_available_listings_and_active_verified_providers_are_in(session: Session) -> None:
    dealer = provider(session, "100", is_verified=True, updated_at=datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
    provider(session, "100", is_verified=False)
    provider(session, "100", is_verified=True, is_active=False)
    listing(session, slug="kia", updated_at=datetime(2026, 2, 1, 10, 30, 5, 999, tzinfo=UTC))
    listing(session, slug="sold", is_available=False)
    listing(session, slug="hidden", is_hidden=True)
    listing(session, slug="trashed", deleted_at=ago(session, "1 day"))
    session.commit()
    counts = generate_sitemap()
    found = {
        urlsplit(url[0].text).path: {child.tag.removeprefix(NAMESPACE): child.text for child in url[1:]}
        for url in parsed()
    }
    assert found == {
        "/": {"changefreq": "daily", "priority": "1.0"},
        "/car-marketplace": {"changefreq": "daily", "priority": "0.9"},
        "/rent-car": {"changefreq": "daily", "priority": "0.9"},
        "/car-listings/kia": {"lastmod": "2026-02-01T10:30:05Z", "changefreq": "weekly", "priority": "0.8"},
        f"/car-providers/{dealer.id}": {"lastmod": "2026-03-02T01:00:00Z", "changefreq": "weekly", "priority": "0.7"},
    }
    size = (settings().public / "sitemap.xml").stat().st_size
    assert counts == {"urls": 5, "files": 1, "bytes": size, "rewritten": 1}


def test_an_empty_site_still_has_a_valid_sitemap_of_its_static_pages(database: str) -> None:
    generate_sitemap()
    assert paths() == STATIC


@pytest.mark.parametrize(
    "slug",
    [
        "كيا-ريو-2019",
        "a&b",
        "it's",
        'say-"hi"',
        "<script>",
        "100%",
        "🚗",
        "a/b",
        "a b",
        "a?b#c",
        "ü",
        "e\u0301",
        "\u202e",
        "\x01",
    ],
)
def test_any_slug_becomes_an_address_that_leads_back_to_it(session: Session, slug: str) -> None:
    listing(session, slug=slug)
    session.commit()
    generate_sitemap()
    address = everything()[3]
    assert address.isascii()
    parts = urlsplit(address)
    assert (parts.query, parts.fragment) == ("", "")
    assert unquote(parts.path) == f"/car-listings/{slug}"


def test_addresses_start_with_the_base_url_escaped(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example/a&b/")
    settings.cache_clear()
    generate_sitemap()
    assert everything() == ["https://cars.example/a&b" + path for path in STATIC]


def test_an_address_longer_than_the_protocol_allows_stays_out(session: Session) -> None:
    room = 2048 - len(settings().base_url + "/car-listings/")
    listing(session, slug="x" * room)
    listing(session, slug="y" * (room + 1))
    listing(session, slug="ع" * 400)  # 2400 characters when it is encoded
    session.commit()
    assert generate_sitemap()["urls"] == 4
    assert paths()[3] == "/car-listings/" + "x" * room


def test_a_large_site_is_an_index_whose_shards_hold_every_address_once(session: Session, small_shards: None) -> None:
    listings(session, 90)
    provider(session, "1", is_verified=True)
    session.commit()
    counts = generate_sitemap()
    assert parsed().tag == NAMESPACE + "sitemapindex"
    assert sorted(paths()) == sorted([*STATIC, *(f"/car-listings/car-{n}" for n in range(1, 91)), "/car-providers/1"])
    assert counts["urls"] == 94
    assert counts["files"] == len(published())
    assert counts["bytes"] == sum(map(len, published().values()))


def test_an_empty_section_is_left_out_of_the_index(session: Session, small_shards: None) -> None:
    listings(session, 30)
    generate_sitemap()
    assert not [name for name in published() if "providers" in name]
    assert all("providers" not in loc for loc in locs(parsed()))


def test_the_index_says_when_a_shard_last_changed_inside_and_not_today(session: Session, small_shards: None) -> None:
    listings(session, 30)
    session.execute(text("UPDATE car_listings SET updated_at = '2026-05-06 07:08:09Z' WHERE id = 25"))
    session.commit()
    generate_sitemap()
    entries = [(entry[0].text.rpartition("-")[2], entry[1].text) for entry in parsed() if len(entry) == 2]
    assert entries == [
        ("0001.xml.gz", "2026-01-01T00:00:00Z"),
        ("0002.xml.gz", "2026-01-01T00:00:00Z"),
        ("0003.xml.gz", "2026-05-06T07:08:09Z"),
    ]


def test_the_same_rows_give_the_same_bytes_and_touch_no_file(session: Session, small_shards: None) -> None:
    listings(session, 90)
    generate_sitemap()
    before = published()
    stamps = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in settings().public.iterdir()}
    assert generate_sitemap()["rewritten"] == 0
    assert published() == before
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in settings().public.iterdir()} == stamps


def test_a_listing_that_goes_rewrites_its_own_shard_alone(session: Session, small_shards: None) -> None:
    listings(session, 90)
    generate_sitemap()
    before = published()
    session.execute(text("UPDATE car_listings SET is_hidden = true WHERE id = 6"))
    session.commit()
    assert generate_sitemap()["rewritten"] == 1
    after = published()
    assert [name for name in before if before[name] != after[name]] == ["sitemap-listings-0001.xml.gz"]


def test_ids_without_a_place_to_cut_still_keep_the_limit(session: Session, small_shards: None) -> None:
    listings(session, 90)
    session.execute(text("UPDATE car_listings SET id = id * 4 + 100001"))
    session.commit()
    generate_sitemap()
    sizes = [len(parsed(name)) for name in published() if "listings" in name]
    assert max(sizes) <= 20
    assert sum(sizes) == 90


def test_50_000_addresses_are_one_file_and_one_more_makes_an_index(session: Session) -> None:
    listings(session, 49_997)
    assert generate_sitemap()["files"] == 1
    assert len(parsed()) == 50_000
    listing(session)
    session.commit()
    assert generate_sitemap()["files"] == 4
    assert len(everything()) == 50_001


def test_the_bytes_may_be_used_up_before_the_addresses_are(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert urlset.MAX_BYTES == 52_428_800
    monkeypatch.setattr(urlset, "MAX_BYTES", 50_000)
    monkeypatch.setattr(sitemap, "PAGE", 7)
    listings(session, 100, slug="x" * 1_900)
    assert generate_sitemap()["urls"] == 103
    assert len(everything()) == 103
    sizes = [len(gzip.decompress(packed)) for name, packed in published().items() if name.endswith(".gz")]
    assert 40_000 < max(sizes) <= 50_000


def test_a_site_that_grows_and_shrinks_leaves_no_orphans(session: Session, small_shards: None) -> None:
    generate_sitemap()
    assert list(published()) == ["sitemap.xml"]
    listings(session, 90)
    generate_sitemap()
    many = list(published())
    session.execute(text("DELETE FROM car_listings WHERE id > 50"))
    session.commit()
    generate_sitemap()
    assert len(published()) < len(many)
    assert len(everything()) == 53
    session.execute(text("DELETE FROM car_listings"))
    session.commit()
    generate_sitemap(force=True)
    assert list(published()) == ["sitemap.xml"]
    assert paths() == STATIC


def test_files_of_others_in_the_same_folder_are_left_alone(session: Session) -> None:
    settings().public.mkdir(parents=True)
    for name in ("robots.txt", "sitemap-of-a-friend.xml", "favicon.ico"):
        (settings().public / name).write_text("mine")
    generate_sitemap()
    assert set(published()) == {"robots.txt", "sitemap-of-a-friend.xml", "favicon.ico", "sitemap.xml"}


def test_a_sitemap_that_lost_more_than_half_is_not_published_unless_forced(session: Session) -> None:
    listings(session, 20)
    generate_sitemap()
    before = published()
    session.execute(text("UPDATE car_listings SET is_available = false WHERE id > 8"))
    session.commit()
    with pytest.raises(SitemapShrankError, match=r"from 23 addresses to 11.*--force"):
        generate_sitemap()
    assert published() == before
    assert generate_sitemap(force=True)["urls"] == 11
    assert generate_sitemap()["urls"] == 11


def test_losing_exactly_half_is_believed(session: Session) -> None:
    listings(session, 21)
    generate_sitemap()
    session.execute(text("UPDATE car_listings SET is_available = false WHERE id > 9"))
    session.commit()
    assert generate_sitemap()["urls"] == 12


def test_one_run_publishes_at_a_time(session: Session) -> None:
    with engine().begin() as other:
        other.execute(sitemap.LOCK)
        with pytest.raises(SitemapError, match="another run is publishing"):
            generate_sitemap()
    generate_sitemap()


def test_a_run_that_has_lost_its_lock_with_its_connection_writes_into_no_file_of_the_next(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings(session, 5)
    unchanged: Callable[..., Published] = Urlset.publish

    def publish_late(self: Urlset) -> Published:
        monkeypatch.setattr(Urlset, "publish", unchanged)
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks "
                "WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        session.execute(text("DELETE FROM car_listings WHERE id > 3"))
        session.commit()
        generate_sitemap()
        return unchanged(self)

    monkeypatch.setattr(Urlset, "publish", publish_late)
    with pytest.raises((OSError, DBAPIError)):
        generate_sitemap()
    assert len(paths()) == 6
    assert list(published()) == ["sitemap.xml"]


def crash(script: str) -> None:
    """Run the generator in a process that kills itself on the way."""
    code = f"import os, signal\nfrom forecourt.marketplace import sitemap, urlset\n{SMALL}\n{script}\nsitemap.generate_sitemap()"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL


SMALL = "urlset.MAX_URLS = sitemap.MAX_URLS = 20; sitemap.CUT = 4; sitemap.PAGE = 7"
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
BEFORE_THE_INDEX = f"sitemap.publish_index = lambda *_: {KILL}"
BEFORE_THE_ORPHANS = f"sitemap.remove_others = lambda *_: {KILL}"
INSIDE_A_SHARD = f"urlset.Urlset.publish = lambda self: {KILL}"


@pytest.mark.parametrize("moment", [BEFORE_THE_INDEX, BEFORE_THE_ORPHANS, INSIDE_A_SHARD])
def test_a_crash_at_any_moment_leaves_a_whole_sitemap_and_the_next_run_tidies_up(
    session: Session, small_shards: None, moment: str
) -> None:
    listings(session, 90)
    generate_sitemap()
    session.execute(text("DELETE FROM car_listings WHERE id BETWEEN 10 AND 50"))
    listings(session, 15, slug="new-")
    crash(moment)
    everything()  # every name in the index leads to a valid file
    generate_sitemap()
    assert len(everything()) == 3 + 49 + 15
    assert {loc.rpartition("/")[2] for loc in locs(parsed())} | {"sitemap.xml"} == set(published())


def test_a_file_is_whole_whenever_it_is_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies under the name is the old file until it is the new one: a rename, never a write in
    place.
    """
    listing(session, slug="a")
    session.commit()
    generate_sitemap()
    old = (settings().public / "sitemap.xml").open("rb")
    session.query(CarListing).update({"slug": "b"})
    session.commit()
    generate_sitemap()
    with old:
        etree.fromstring(old.read())
    assert paths()[3] == "/car-listings/b"


def test_it_is_as_the_database_was_at_one_instant(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    listings(session, 5)
    unchanged: Callable[..., object] = sitemap._publish

    def publish_late(*args: object) -> object:
        session.execute(text("UPDATE car_listings SET slug = 'changed-' || id"))
        session.commit()
        return unchanged(*args)

    monkeypatch.setattr(sitemap, "_publish", publish_late)
    generate_sitemap()
    assert paths()[3:] == [f"/car-listings/car-{n}" for n in range(1, 6)]


def test_a_full_disk_half_way_is_an_error_and_the_next_run_publishes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings(session, 20_000)
    for module in (sitemap, urlset):
        monkeypatch.setattr(module, "MAX_URLS", 5_000)

    def publish(temporary: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(urlset, "publish", publish)
        with pytest.raises(OSError, match="No space left"):
            generate_sitemap()
    assert generate_sitemap()["urls"] == 20_003


def test_in_production_an_address_that_only_this_machine_understands_is_not_published(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_ENVIRONMENT", "production")
    settings.cache_clear()
    with pytest.raises(NoPublicAddress, match="FORECOURT_BASE_URL is http://localhost:8000"):
        generate_sitemap()
    assert not settings().public.exists()
