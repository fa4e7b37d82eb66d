"""Promises of storage in a bucket, with a server that speaks S3: what breaks on the way ends in
words and loses nothing.
"""

import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import obstore
import pyarrow.parquet as pq
import pytest
from bucket_server import BucketServer, line_to
from click.testing import CliRunner
from showroom import calls, listing
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_photos import picture
from traffic import event, events, midday

from forecourt import bucket_address
from forecourt.cli import forecourt
from forecourt.doctor.check import House
from forecourt.doctor.marketplace import storage as storage_check
from forecourt.marketplace import places, shared, sitemap, sitemap_check, urlset
from forecourt.marketplace.app import app
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.bucket import Bucket
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.restore import archives, restore, verify
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.storage import DamagedError, NotStoredError, StorageError, StorageUnavailable
from forecourt.marketplace.sweep import sweep_storage
from forecourt.marketplace.trash import reap_blobs
from forecourt.settings import WrongSettings, read, settings

KEY = "photos/ab/cd/abcd-1600.webp"


def bucket(url: str, part: str = "storage") -> Bucket:
    return Bucket(bucket_address.read(url), part)


def test_a_bucket_keeps_what_a_folder_keeps(url: str, tmp_path: Path) -> None:
    files = bucket(url)
    assert not files.exists(KEY)
    with pytest.raises(NotStoredError, match="nothing is stored in s3://cars/shop"):
        files.read(KEY)
    files.put(KEY, b"first")
    files.put(KEY, b"second")
    assert files.read(KEY) == b"first"
    [found] = obstore.list(files._store(), "photos").collect()
    attributes = obstore.get(files._store(), found["path"], options={"head": True}).attributes
    assert attributes["Content-Type"] == "image/webp"
    assert "immutable" in attributes["Cache-Control"]
    for key in ("photos/ac/1", "incoming/9"):
        files.put(key, key.encode())
    assert list(files.keys("photos/a")) == [KEY, "photos/ac/1"]
    assert list(files.keys()) == ["incoming/9", KEY, "photos/ac/1"]
    assert list(files.keys(older_than=3600)) == []
    assert bucket(url, "archive").exists(KEY) is False
    with files.deleting() as delete:
        for key in (KEY, "photos/ac/1", "never/there"):
            delete(key)
    files.delete("incoming/9")
    assert list(files.keys()) == []
    for act in (lambda: files.put("../up", b""), lambda: files.read("a/../b"), lambda: files.delete(".hidden")):
        with pytest.raises(StorageError, match="is not a storage key"):
            act()
    assert files.mark() == bucket(url.replace("key:se%2Fcret", "other:one")).mark(), "whoever asks"
    assert files.mark() != bucket(url.replace("/shop", "/other")).mark()


def test_a_file_of_many_parts_is_sent_once_and_comes_back_whole(url: str, tmp_path: Path) -> None:
    files = bucket(url)
    content = bytes(range(256)) * 50_000
    with files.draft("2026/big.parquet") as path:
        path.write_bytes(content)
    with files.local("2026/big.parquet") as path:
        assert path.read_bytes() == content
    assert not path.exists()
    other = tmp_path / "other"
    other.write_bytes(content)
    assert files.send_file("2026/big.parquet", other) is False
    other.write_bytes(b"new")
    assert files.send_file("2026/big.parquet", other) is True
    assert files.read("2026/big.parquet") == b"new"
    with pytest.raises(FileNotFoundError), files.draft("2026/half.parquet") as path:
        path.rename(tmp_path / "lost")
    assert list(files.keys()) == ["2026/big.parquet"]


def test_an_upload_that_breaks_off_leaves_nothing_and_the_next_one_is_whole(url: str, server: BucketServer) -> None:
    with line_to(server) as line:
        files = bucket(server.url(endpoint=line.endpoint))
        line.cut = 100_000
        with pytest.raises(StorageUnavailable, match=r"did not take photos/ab/cd/abcd-1600\.webp: "):
            files.put(KEY, b"pixels" * 100_000)
        line.cut = None
        assert not files.exists(KEY)
        files.put(KEY, b"pixels" * 100_000)
        assert files.read(KEY) == b"pixels" * 100_000


def test_what_is_changed_on_its_way_is_never_taken_for_what_was_sent(url: str, server: BucketServer) -> None:
    with line_to(server) as line:
        files = bucket(server.url(endpoint=line.endpoint))
        files.put(KEY, b"pixels, pixels")
        line.damage = b"pixels,"
        with pytest.raises(DamagedError, match="is damaged: it is not what was sent there"):
            files.read(KEY)
        files.put("photos/ef/2", b"pixels, more")  # this server checks no sum: S3 itself would refuse it
        line.damage = b""
        assert files.read(KEY) == b"pixels, pixels"
        with pytest.raises(DamagedError, match="photos/ef/2"):
            files.read("photos/ef/2")


def test_a_bucket_that_is_not_there_or_does_not_answer_is_said_in_words(
    url: str, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = bucket(server.url(bucket="nowhere"))
    for act in (lambda: missing.put(KEY, b"x"), lambda: missing.read(KEY), lambda: list(missing.keys())):
        with pytest.raises(
            StorageUnavailable, match=r"there is no bucket s3://nowhere/shop at http.*: make it, or correct"
        ):
            act()
    with pytest.raises(StorageUnavailable, match="there is no bucket"):
        missing.delete(KEY)
    nobody = bucket(server.url(endpoint="http://127.0.0.1:1"))
    with pytest.raises(
        StorageUnavailable, match=r"s3://cars/shop at http://127\.0\.0\.1:1, storage did not say whether"
    ) as refused:
        nobody.put(KEY, b"x")
    assert "cret" not in str(refused.value)
    assert isinstance(refused.value, OSError), "it may be there at the next try"
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StorageError, match=r"pip install 'forecourt\[s3\]'"):
        bucket(url, "other").read(KEY)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("https://cars/shop", "expected s3://KEY:SECRET@bucket/prefix"),
        ("s3://", "'' is not the name of a bucket"),
        ("s3://Cars", "'Cars' is not the name of a bucket"),
        ("s3://key@cars", "a key without its secret"),
        ("s3://k:hidden/half@cars", "is not the name of a bucket"),
        ("s3://k:hidden@cars?zone=x", "expected s3://"),
        ("s3://cars?endpoint=host:9000", "the endpoint 'host:9000' must start with"),
    ],
)
def test_an_address_of_a_bucket_that_cannot_be_followed_is_refused_at_the_start(wrong: str, words: str) -> None:
    with pytest.raises(WrongSettings, match="FORECOURT_STORAGE_URL: ") as refused:
        read({"FORECOURT_STORAGE_URL": wrong})
    assert words in str(refused.value)
    assert "hidden@" not in str(refused.value)
    found = read({"FORECOURT_STORAGE_URL": "s3://k:a%2Fb@cars/one/two/?region=eu-central-1"}).storage_url
    assert found is not None
    assert (found.prefix, found.secret, found.region) == ("one/two", "a/b", "eu-central-1")
    assert "a/b" not in f"{found!r} {found}"


def test_photos_go_through_the_bucket_from_any_host_to_any_host(
    url: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "KNOWN_FOR", 0.0)
    car = listing(session)
    for host in ("web", "night"):  # folders of their own, which nobody needs
        monkeypatch.setenv("FORECOURT_HOST", host)
        monkeypatch.setenv("FORECOURT_VAR", str(tmp_path / host))
        settings.cache_clear()
        if host == "web":
            process_car_images.using(session=session).dispatch(listing_id=car.id, images=[picture()])
            assert len(list(places.files().keys("incoming/"))) == 1
    process_car_images(**calls(session, "process_car_images")[-1], session=session)
    session.refresh(car)
    stored = set(session.scalar(text("SELECT photo_keys(photos) FROM car_listings")))
    assert set(places.files().keys("photos/")) == stored
    reap_blobs(session=session)
    session.commit()
    assert list(places.files().keys("incoming/")) == []
    sweep_storage()
    assert set(places.files().keys("photos/")) == stored
    assert not (tmp_path / "web" / "storage").exists()
    assert not (tmp_path / "night" / "storage").exists()


def test_archives_lie_in_the_bucket_are_read_back_from_there_and_come_back(url: str, session: Session) -> None:
    for days in (200, 201):
        event(session, 1, midday(session, days))
    session.commit()
    assert archive_old_analytics()["files"] == 1
    [archive] = archives()
    assert list(places.archive().keys()) == [archive.path]
    assert not settings().archive.exists()
    with places.archive().local(archive.path) as path:
        assert pq.read_table(path).num_rows == 2
    assert verify(archive).rows == 2
    assert restore(archive.path) == {"events": 2, "restored": 2}
    places.archive().delete(archive.path)
    assert not archive.is_there()
    with pytest.raises(NotStoredError):
        verify(archive)


def test_an_archive_that_does_not_arrive_whole_takes_no_event_out_of_the_database(
    url: str, session: Session, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def archive_over(endpoint: str = "", bucket: str = "cars") -> dict[str, int]:
        session.rollback()
        monkeypatch.setenv("FORECOURT_STORAGE_URL", server.url(endpoint=endpoint, bucket=bucket))
        settings.cache_clear()
        return archive_old_analytics()

    event(session, 1, midday(session, 200))
    session.commit()
    with line_to(server) as line:
        line.damage = b"car_listing_id"  # a column's name, in the file's own description
        with pytest.raises(OSError, match="damaged"):
            archive_over(line.endpoint)
        line.damage, line.cut = b"", 1_000
        with pytest.raises(StorageUnavailable, match="did not"):
            archive_over(line.endpoint)
    with pytest.raises(StorageUnavailable, match="there is no bucket"):
        archive_over(bucket="nowhere")
    assert events(session) == 1
    assert archive_over()["events"] == 1
    assert [archive.path for archive in archives()] == list(places.archive().keys()), "and no half of a file is left"
    assert session.scalar(text("SELECT count(*) FROM analytics_archives")) == 1


def test_the_doctor_says_whether_the_bucket_answers(
    url: str, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = cast(House, SimpleNamespace(app=app))  # the check asks nothing else of it
    [well] = storage_check(house)
    assert (well.status, well.found) == ("ok", f"s3://cars/shop at {server.endpoint} answers")
    monkeypatch.setenv("FORECOURT_STORAGE_URL", server.url(bucket="nowhere"))
    settings.cache_clear()
    [ill] = storage_check(house)
    assert ill.status == "fail"
    assert "there is no bucket" in ill.found
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("FORECOURT_STORAGE_URL", server.url(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        settings.cache_clear()
        told: list[str] = []
        asking = threading.Thread(target=lambda: told.extend(one.found for one in storage_check(house)))
        asking.start()
        asking.join(30)
        assert "did not list what it has" in "".join(told), "whoever asks would hold a connection for a minute"
    monkeypatch.delenv("FORECOURT_STORAGE_URL")
    settings.cache_clear()
    assert storage_check(house) == []


def test_a_sitemap_in_the_bucket_is_whole_at_any_moment_and_unchanged_files_keep_their_times(
    url: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sitemap, urlset, sitemap_check):
        monkeypatch.setattr(module, "MAX_URLS", 4)
    monkeypatch.setattr(sitemap, "CUT", 2)
    cars = [listing(session) for _ in range(9)]
    session.commit()
    place = places.bucket("public")
    assert place is not None
    place.put("sitemap-blog.xml", b"of the application's own")
    sent: list[str] = []
    monkeypatch.setattr(
        Bucket, "_send", lambda self, key, *rest, send=Bucket._send: (sent.append(key), send(self, key, *rest))
    )
    made = generate_sitemap()
    assert made["rewritten"] == made["files"] == len(sent) == 7
    assert sent[-1] == "sitemap.xml", "behind the files that it names"
    assert b"sitemap-listings-0003.xml.gz" in place.read("sitemap.xml")
    assert generate_sitemap()["rewritten"] == 0
    for car in cars[4:]:
        session.delete(car)
    session.commit()
    assert generate_sitemap()["rewritten"] == 2, "one shard and the index"
    shards = [f"sitemap-{name}.xml.gz" for name in ("listings-0001", "listings-0002", "pages-0001", "pages-0002")]
    assert sorted(place.keys()) == ["sitemap-blog.xml", *shards, "sitemap.xml"]
    assert not settings().public.exists()
    for command in ("validate", "diff"):
        assert CliRunner().invoke(forecourt, ["sitemap", command]).exit_code == 0
