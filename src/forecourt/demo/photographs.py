"""Real photos: as the base64 texts of a form, and as files of listings that are about to be
deleted.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from io import BytesIO

import orjson
from PIL import Image
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.marketplace.folder import Folder
from forecourt.marketplace.pictures import process
from forecourt.marketplace.uploads import spool
from forecourt.settings import settings

FOLDER = files("forecourt.demo") / "photos"
NAMES = ("flower.jpg", "sugarshack.mpo", "hopper_orientation_5.jpg", "flower2.jpg")

HANG = text(
    """
    UPDATE car_listings
    SET photos = given.photos
    FROM unnest(CAST(:listings AS bigint[]), CAST(CAST(:photos AS text[]) AS jsonb[])) AS given(listing, photos)
    WHERE car_listings.id = given.listing
    """
)


def uploads(night: int, number: int) -> list[str]:
    """A set of one to three photos, as base64. No two sets share a file."""
    names = [NAMES[(number + more) % len(NAMES)] for more in range(number % 3 + 1)]
    remark = f"night {night}, set {number}".encode()
    return [b64encode(_remarked((FOLDER / name).read_bytes(), remark)).decode() for name in names]


def one_photo(night: int) -> bytes:
    """A photo of its own for each night."""
    return _remarked((FOLDER / NAMES[0]).read_bytes(), f"night {night}, by HTTP".encode())


def _remarked(jpeg: bytes, remark: bytes) -> bytes:
    """The same picture with a comment, as cameras write them: marker, length and text, behind the
    start of the image.
    """
    return jpeg[:2] + b"\xff\xfe" + (len(remark) + 2).to_bytes(2, "big") + remark + jpeg[2:]


def hang(session: Session, listings: Sequence[int]) -> None:
    """Give each listing a photo that no other has: its own part of one large picture, published as
    any upload is.
    """
    storage = Folder(settings().storage)
    keys = [spool(storage, b64encode(part).decode()) for part in _parts(listings)]
    photos = process(storage, keys)
    session.execute(
        HANG, {"listings": list(listings), "photos": [orjson.dumps([asdict(photo)]).decode() for photo in photos]}
    )
    for key in keys:
        storage.delete(key)


def _parts(listings: Sequence[int]) -> list[bytes]:
    with Image.open(BytesIO((FOLDER / NAMES[0]).read_bytes())) as picture:
        room = picture.width - 160, picture.height - 120
        parts = []
        for listing in listings:
            left, top = listing * 7 % room[0], listing * 7 // room[0] % room[1]
            out = BytesIO()
            picture.crop((left, top, left + 160, top + 120)).save(out, "JPEG")
            parts.append(out.getvalue())
        return parts
