"""Promises of the sitemap's images and languages, of what it would change, and of telling search
engines.
"""

import gzip
import json
import threading
import tracemalloc
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import etree
from showroom import ago, listing, provider, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_sitemap import listings, locs, parsed, published

from forecourt.cli import forecourt
from forecourt.marketplace import indexnow, sitemap, urlset
from forecourt.marketplace.indexnow import Refused, announce_changes
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.settings import WrongSettings, read, settings

IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"
LINK = "{http://www.w3.org/1999/xhtml}link"
KEYS = ["photos/ab/cd/one-1600.webp", "photos/ab/ce/two-1600.webp"]

# The protocol's schema wants one for each extension, too. Of Google's there is here what it still
# reads: an image's address.
EXTENSIONS = {
    "image.xsd": """<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"
        targetNamespace="http://www.google.com/schemas/sitemap-image/1.1">
        <xsd:element name="image"><xsd:complexType><xsd:sequence>
          <xsd:element name="loc" type="xsd:anyURI"/>
        </xsd:sequence></xsd:complexType></xsd:element></xsd:schema>""",
    "xhtml.xsd": """<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xhtml">
        <xsd:element name="link"><xsd:complexType>
          <xsd:attribute name="rel" fixed="alternate" use="required"/>
          <xsd:attribute name="hreflang" type="xsd:language" use="required"/>
          <xsd:attribute name="href" type="xsd:anyURI" use="required"/>
        </xsd:complexType></xsd:element></xsd:schema>""",
}


@pytest.fixture
def rich(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site in two languages that serves its photos, which the schema of the protocol and those of
    the extensions judge.
    """
    import test_sitemap

    imports = "".join(f'<xsd:import namespace="{etree.fromstring(xsd).get("targetNamespace")}" schemaLocation="{name}"/>'
                      for name, xsd in EXTENSIONS.items())  # fmt: skip
    protocol = test_sitemap.PROTOCOL
    source = protocol.read_text().replace(
        'elementFormDefault="qualified">', 'elementFormDefault="qualified">' + imports, 1
    )
    folder = settings().var.parent
    for name, xsd in {**EXTENSIONS, "sitemap.xsd": source}.items():
        (folder / name).write_text(xsd)
    monkeypatch.setattr(test_sitemap, "SCHEMA", etree.XMLSchema(etree.parse(folder / "sitemap.xsd")))
    monkeypatch.setenv("FORECOURT_LANGUAGES", "en,ar=/ar")
    monkeypatch.setenv("FORECOURT_PHOTOS_URL", "https://photos.example/a&b")
    settings.cache_clear()


def run(*words: str) -> Any:
    result = CliRunner().invoke(forecourt, list(words))
    assert result.exception is None, result.output
    return result


def test_a_photo_with_an_odd_name_breaks_no_sitemap_and_what_is_no_photo_is_left_out(
    session: Session, rich: None
) -> None:
    listing(session, slug="kia-rio", photos=["old & <new>.jpg", {"key": KEYS[0]}, None, 7, {"other": "x"}])
    session.commit()
    generate_sitemap()
    images = {image.text for image in parsed("sitemap.xml").iter(f"{IMAGE}loc")}
    assert images == {f"https://photos.example/a&b/{name}" for name in ("old%20%26%20%3Cnew%3E.jpg", KEYS[0])}


def test_each_version_of_a_page_names_all_of_them_and_its_photos(session: Session, rich: None) -> None:
    listing(session, slug="kia", photos=[{"key": KEYS[0], "variants": [{"key": "photos/x"}]}, KEYS[1]])
    provider(session, "1", is_verified=True)
    session.commit()
    assert generate_sitemap()["urls"] == 2 * 5
    root = parsed()
    english, arabic = [url for url in root if url[0].text.endswith("/car-listings/kia")]
    base = settings().base_url
    assert [url[0].text for url in (english, arabic)] == [f"{base}/car-listings/kia", f"{base}/ar/car-listings/kia"]
    for url in (english, arabic):
        assert [(link.get("hreflang"), link.get("href")) for link in url.iter(LINK)] == [
            ("en", f"{base}/car-listings/kia"),
            ("ar", f"{base}/ar/car-listings/kia"),
            ("x-default", f"{base}/car-listings/kia"),
        ]
        assert [image.text for image in url.iter(IMAGE + "loc")] == [
            f"https://photos.example/a&b/{key}" for key in KEYS
        ]
    run("sitemap", "validate")
    everywhere = {url[0].text: {link.get("href") for link in url.iter(LINK)} for url in root}
    assert all(page in everywhere[other] for page, others in everywhere.items() for other in others), (
        "they name each other"
    )


def test_shards_are_packed_and_the_same_rows_give_the_same_bytes(
    session: Session, rich: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap, "MAX_URLS", 20)
    monkeypatch.setattr(urlset, "MAX_URLS", 20)
    monkeypatch.setattr(sitemap, "CUT", 4)
    listings(session, 30)
    (settings().public).mkdir(parents=True)
    (settings().public / "sitemap-listings-0001.xml").write_text("of an earlier release")
    generate_sitemap()
    before = published()
    assert "sitemap-listings-0001.xml" not in before
    shard = before["sitemap-listings-0001.xml.gz"]
    assert shard[4:8] == b"\0\0\0\0", "no time inside"
    assert gzip.decompress(shard).startswith(b"<?xml")
    for path in settings().public.iterdir():
        path.unlink()
    generate_sitemap()
    assert published() == before


def test_pages_of_many_photos_and_versions_are_all_in_and_the_files_within_their_limits(
    session: Session, rich: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urlset, "MAX_BYTES", 20_000)
    listings(session, 30)
    many = text(
        "UPDATE car_listings SET photos = (SELECT jsonb_agg('p-' || n) FROM generate_series(1, :photos) AS n) WHERE id <= :id"
    )
    session.execute(many, {"photos": 10, "id": 30})
    session.execute(many, {"photos": 200, "id": 1})  # more than a file holds with it
    session.commit()
    assert generate_sitemap()["urls"] == 2 * 33
    shards = [parsed(loc.rpartition("/")[2]) for loc in locs(parsed())]
    pages = {url[0].text: len(list(url.iter(IMAGE + "loc"))) for shard in shards for url in shard}
    assert sorted(pages.values()) == [0] * 2 * (3 + 1) + [10] * 2 * 29
    assert max(len(gzip.decompress(packed)) for name, packed in published().items() if name.endswith(".gz")) <= 20_000


def test_100_000_listings_with_photos_keep_the_protocol(
    session: Session, rich: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORECOURT_LANGUAGES")
    settings.cache_clear()
    listings(session, 100_000)
    session.execute(text("UPDATE car_listings SET photos = jsonb_build_array('photos/' || id, 'photos/b-' || id)"))
    session.commit()
    made = generate_sitemap()
    assert made["urls"] == 100_003
    shards = [parsed(loc.rpartition("/")[2]) for loc in locs(parsed())]  # each held against the schema
    assert sum(len(shard) for shard in shards) == 100_003


def test_what_the_next_run_would_change_is_told_before(session: Session) -> None:
    cars = [listing(session, slug=f"car-{n}") for n in range(3)]
    session.commit()
    generate_sitemap()
    assert run("sitemap", "diff").stderr == "0 added, 0 removed, 0 changed.\n"
    listing(session, slug="new")
    cars[0].is_available = False
    session.execute(text("UPDATE car_listings SET updated_at = '2020-01-01Z' WHERE id = :id"), {"id": cars[1].id})
    session.commit()
    before = published()
    shown = run("sitemap", "diff").stdout.splitlines()
    base = f"{settings().base_url}/car-listings"
    assert shown == [f"+ {base}/new", f"- {base}/car-0", f"~ {base}/car-1"]
    assert published() == before
    found = json.loads(run("sitemap", "diff", str(settings().public), "--json").stdout)
    assert found["changed"][0][2] == "2020-01-01T00:00:00Z"
    assert run("sitemap", "robots").stdout == f"Sitemap: {settings().base_url}/sitemap.xml\n"


class Engine(HTTPServer):
    """A search engine that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: deque[dict[str, Any]] = deque()
        self.answer = 200
        super().__init__(("127.0.0.1", 0), Ear)


class Ear(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def search_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        monkeypatch.setattr(indexnow, "ENDPOINT", f"http://127.0.0.1:{engine.server_port}/indexnow")
        yield engine
        engine.shutdown()


def test_search_engines_are_told_what_changed_once_and_of_what_went(
    session: Session, search_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing(session, slug="changed", updated_at=ago(session, "2 hours"))
    listing(session, slug="gone", updated_at=ago(session, "9 days"), deleted_at=ago(session, "1 hour"))
    listing(session, slug="old", updated_at=ago(session, "9 days"))
    listing(session, slug="ع" * 2_000, updated_at=ago(session, "2 hours"))  # an address that no engine takes
    late = listing(session, slug="عربي", updated_at=ago(session, "1 minute"))
    session.commit()
    assert announce_changes() == {"urls": 0}, "without a key nobody is told"
    monkeypatch.setenv("FORECOURT_INDEXNOW_KEY", "0123456789abcdef")
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    monkeypatch.setattr(indexnow, "MOST", 1)
    settings.cache_clear()
    search_engine.answer = 503
    with pytest.raises(OSError, match="IndexNow answered 503; it is told again later"):
        announce_changes()
    search_engine.answer = 403
    with pytest.raises(Refused, match=r"must find https://cars\.example/0123456789abcdef\.txt"):
        announce_changes()
    search_engine.answer = 202
    search_engine.heard.clear()
    assert announce_changes() == {"urls": 2}
    assert [url for said in search_engine.heard for url in said["urlList"]] == [
        "https://cars.example/car-listings/changed",
        "https://cars.example/car-listings/gone",
    ]
    assert (search_engine.heard[0]["host"], search_engine.heard[0]["key"]) == ("cars.example", "0123456789abcdef")
    assert (settings().public / "0123456789abcdef.txt").read_text() == "0123456789abcdef"
    session.execute(text("UPDATE sitemap_announcements SET until = until - interval '30 minutes'"))
    late.updated_at = ago(session, "20 minutes")
    session.commit()
    assert announce_changes() == {"urls": 1}
    assert search_engine.heard[-1]["urlList"] == ["https://cars.example/car-listings/%D8%B9%D8%B1%D8%A8%D9%8A"]


def test_what_changed_is_told_as_it_is_read_however_much_it_is(
    session: Session, search_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(session)
    session.execute(
        text(
            """
            INSERT INTO car_listings (owner_id, title, slug, price, updated_at)
            SELECT (SELECT min(id) FROM users), 'Car', 'a-car-with-a-rather-long-name-' || n, 1, now() - interval '1 hour'
            FROM generate_series(1, 20000) AS n
            """
        )
    )
    session.commit()
    monkeypatch.setenv("FORECOURT_INDEXNOW_KEY", "0123456789abcdef")
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    monkeypatch.setattr(indexnow, "MOST", 1_000)
    settings.cache_clear()
    search_engine.heard = deque(maxlen=1)
    tracemalloc.start()
    try:
        assert announce_changes() == {"urls": 20_000}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000, "twenty thousand addresses take five megabytes"


def test_settings_of_the_sitemap_that_cannot_be_followed_are_refused() -> None:
    for wrong in ("EN", "en,en=/x", "en,ar", "ar=ar", "en;ar=/ar"):
        with pytest.raises(WrongSettings, match="FORECOURT_LANGUAGES"):
            read({"FORECOURT_LANGUAGES": wrong})
    with pytest.raises(WrongSettings, match="8 to 128"):
        read({"FORECOURT_INDEXNOW_KEY": "short"})
