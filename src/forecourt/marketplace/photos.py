"""A listing's photos: uploaded as base64, spooled to storage when dispatched, published as upright, clean WebP in three widths."""

from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import text

from forecourt import Session, job
from forecourt.marketplace.pictures import StoredPhoto, process
from forecourt.marketplace.storage import NotStoredError, Storage
from forecourt.marketplace.trash import give_up, hold
from forecourt.marketplace.uploads import INCOMING, BadUpload, spool
from forecourt.settings import settings

LOCK = text("SELECT photo_keys(photos) AS keys FROM car_listings WHERE id = :listing_id FOR NO KEY UPDATE")

PUBLISH = text(
    """
    UPDATE car_listings
    SET photos = CAST(:photos AS jsonb),
        updated_at = now()
    WHERE id = :listing_id
    """
)


def spool_images(args: dict[str, Any]) -> dict[str, Any]:
    """Move the pictures out of a call's arguments into storage, so that its row carries keys instead of megabytes."""
    storage = Storage(settings().storage)
    return args | {"images": [_spooled(storage, image) for image in args["images"]]}


@job(queue="high", tries=2, timeout=120, fail_on=(BadUpload, NotStoredError), prepare=spool_images)
def process_car_images(images: list[str], listing_id: int, *, session: Session) -> dict[str, int]:
    """Resize and compress a listing's pictures, strip every metadata block, and make them its photos, in this order.

    `images` are base64 texts, or keys of spooled uploads. One picture that cannot be accepted fails the call at once with the
    reason, and changes nothing. Photos that the listing had before, and the uploads, go to the reaper. A listing that is gone is a
    no-op.
    """
    storage = Storage(settings().storage)
    uploads = [_spooled(storage, image) for image in images]
    before = session.execute(LOCK, {"listing_id": listing_id}).scalar_one_or_none()
    if before is None:
        give_up(session, uploads)
        return {"photos": 0}
    photos = process(storage, uploads, lambda keys: hold(session, keys))
    after = {variant.key for photo in photos for variant in photo.variants}
    session.execute(PUBLISH, {"listing_id": listing_id, "photos": _json(photos)})
    give_up(session, [*uploads, *(key for key in before if key not in after)])
    sizes = [variant.bytes for photo in photos for variant in photo.variants]
    return {"photos": len(photos), "files": len(sizes), "bytes": sum(sizes)}


def _spooled(storage: Storage, image: str) -> str:
    return image if image.startswith(INCOMING) else spool(storage, image)


def _json(photos: list[StoredPhoto]) -> str:
    return orjson.dumps([asdict(photo) for photo in photos]).decode()
