"""Promises of the upload spool: any honest base64 in, strict otherwise, and the same bytes under
the same key.
"""

import base64
import hashlib
import pickle
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.database.connecting import connect
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.uploads import MAX_UPLOAD_BYTES, BadUpload, spool

PHOTO = b"\xfb\xef\xbe\xff\xfe" * 40 + b"!!"  # its base64 uses + and /, and padding
TEXT = base64.b64encode(PHOTO).decode()
KEY = f"incoming/{hashlib.sha256(PHOTO).hexdigest()}-"


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "storage")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:image/png;charset=utf-8;BASE64,{TEXT}",
        f"data:;base64,{TEXT}",
        f"\n  data:image/webp;base64,\r\n{TEXT}\n",
        base64.encodebytes(PHOTO).decode(),
        base64.encodebytes(PHOTO).decode().replace("\n", "\r\n"),
        " \t" + " ".join(TEXT) + "\f\v",
        base64.urlsafe_b64encode(PHOTO).decode(),
        base64.urlsafe_b64encode(PHOTO).decode().rstrip("="),
        TEXT.rstrip("="),
    ],
)
def test_every_honest_spelling_of_base64_gives_the_same_key(storage: Folder, text: str) -> None:
    first, second = spool(storage, text), spool(storage, text)
    assert first.startswith(KEY)
    assert storage.read(first) == PHOTO
    assert first != second
    assert sorted(storage.keys()) == sorted([first, second])


@given(data=st.binary(min_size=1, max_size=300), width=st.integers(1, 90))
def test_any_bytes_wrapped_at_any_width_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, width: int
) -> None:
    storage = Folder(tmp_path_factory.getbasetemp() / "spooled")
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert storage.read(spool(storage, lines)) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("====", "empty"),
        ("data:image/png;base64,", "empty"),
        (TEXT[:-1] + "*", "not_base64"),
        (TEXT + "<?php", "not_base64"),
        (TEXT[:40] + "=" + TEXT[40:], "not_base64"),
        (TEXT + "=", "not_base64"),
        ("QQ==QQ==", "not_base64"),
        ("QQ=", "not_base64"),
        ("A", "not_base64"),
        ("+_+_", "not_base64"),
        ("QUJD\0", "not_base64"),
        ("صورة", "not_base64"),
        ("\ud800", "not_base64"),
        ("http://example.com/car.jpg", "not_base64"),
        ("data:image/png,rawbytes", "not_base64"),
        ("data:image/png;base64", "not_base64"),
        ("data:" + "x" * 5000 + ";base64,QUJD", "not_base64"),
        (f"data:image/png;base64,{quote('QQ==')}", "not_base64"),
    ],
)
def test_anything_else_is_refused_and_nothing_stored(storage: Folder, text: str, reason: str) -> None:
    with pytest.raises(BadUpload, match=f"^{reason}: ") as refusal:
        spool(storage, text)
    assert refusal.value.code == reason
    assert list(storage.keys()) == []


def test_the_largest_photo_passes_in_lines_and_one_byte_more_does_not(storage: Folder) -> None:
    largest = bytes(MAX_UPLOAD_BYTES)
    wrapped = base64.encodebytes(largest).decode().replace("\n", "\r\n")
    assert len(storage.read(spool(storage, f"data:image/jpeg;base64,{wrapped}"))) == MAX_UPLOAD_BYTES
    with pytest.raises(BadUpload, match=r"^too_large: 20\.000001 MB; at most 20 MB"):
        spool(storage, base64.b64encode(largest + b"\0").decode())


def test_a_text_too_long_to_hold_a_photo_is_refused_before_it_is_decoded(storage: Folder) -> None:
    with pytest.raises(BadUpload, match=r"^too_large: 30 MB; at most 20 MB"):
        spool(storage, "é" * 40_000_000)


def test_a_refusal_survives_the_way_between_processes() -> None:
    refusal = pickle.loads(pickle.dumps(BadUpload("empty", "the upload has no bytes")))
    assert (type(refusal), refusal.code, str(refusal)) == (BadUpload, "empty", "empty: the upload has no bytes")


def test_ten_large_photos_are_spooled_before_their_size_counts(database: str) -> None:
    """Base64 of ten photos of 5 MB is more than a call may carry, and never gets into one."""
    photo = base64.b64encode(bytes(5_000_000)).decode()
    call = process_car_images.dispatch(listing_id=1, images=[photo] * 10)
    with connect() as tx:
        rows = tx.execute("SELECT octet_length(args::text) FROM forecourt.ready WHERE id = %s", [call.id]).fetchall()
    assert rows[0][0] < 2_000
