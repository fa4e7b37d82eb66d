"""A listing's photos: uploaded as base64, spooled to storage when dispatched, published as upright,
clean WebP in three widths.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import text

from forecourt import Release, Session, job, report
from forecourt.database import session as transaction
from forecourt.jobs.context import current
from forecourt.marketplace import places, twins
from forecourt.marketplace.business import business
from forecourt.marketplace.kinds import PhotosRefused, RefusedPhoto
from forecourt.marketplace.notices import tell
from forecourt.marketplace.pictures import BadPhotos, Refusal, StoredPhoto, process
from forecourt.marketplace.shared import lies_elsewhere, require_shared
from forecourt.marketplace.storage import NotStoredError, Storage, StorageError, checked_key, is_key
from forecourt.marketplace.trash import give_up, reserve
from forecourt.marketplace.uploads import INCOMING, BadUpload, spool

ELSEWHERE_SECONDS = 30
"""Until an upload that is not on this host is looked for again, by whichever worker claims the call
then.
"""

EXISTS = text("SELECT EXISTS (SELECT FROM car_listings WHERE id = :listing_id)")
LOCK = text(
    """
    SELECT photos, photo_keys(photos) AS keys
    FROM car_listings
    WHERE id = :listing_id
    FOR NO KEY UPDATE
    """
)
PUBLISH = text(
    """
    UPDATE car_listings
    SET photos = CAST(:photos AS jsonb),
        updated_at = now()
    WHERE id = :listing_id
    RETURNING photo_keys(photos)
    """
)
OWNER = text("SELECT owner_id, title, slug FROM car_listings WHERE id = :listing_id AND deleted_at IS NULL")


def spool_images(args: dict[str, Any]) -> dict[str, Any]:
    """Move the pictures out of a call's arguments into storage, so that its row carries keys
    instead of megabytes.

    Raises BadPhotos, which names the bad ones by their position, BadUpload for more than a listing
    has, and then nothing stays in storage; and NotShared where the workers would look for them
    elsewhere.
    """
    storage = places.files()
    require_shared(storage)
    with transaction() as tx:
        most = business(tx).photos_most
    if len(args["images"]) > most:
        raise BadUpload("too_many", f"{len(args['images'])} photos; a listing has at most {most}")
    keys, refused = _spooled(storage, args["images"])
    if refused:
        with storage.deleting() as delete:
            for key in set(keys) - set(args["images"]):
                delete(key)
        raise BadPhotos(refused, len(args["images"]))
    return args | {"images": keys}


@job(queue="high", tries=2, timeout=120, fail_on=(BadUpload, NotStoredError), prepare=spool_images)
def process_car_images(session: Session, images: list[str], listing_id: int, add: bool = False) -> dict[str, int]:
    """Resize and compress a listing's pictures, strip every metadata block, and make them its
    photos, in this order; with `add` behind those that it has.

    `images` are base64 texts, or keys of spooled uploads. One picture that cannot be accepted fails
    the call at once with the reason and changes nothing, unless the policy is to take the good
    ones; the owner gets a notice that names it. Photos that the listing had before, and the
    uploads, refused ones as well, go to the reaper. A listing that is gone is a no-op. Its row is
    locked at the end only: while pictures are decoded, views are counted and prices changed as
    ever. On a host that does not share the folder in which the uploads lie it is put back for
    another.
    """
    storage = places.files()
    stored = [image for image in images if image.startswith(INCOMING) and is_key(image)]
    if elsewhere := lies_elsewhere(storage, stored):
        raise Release(ELSEWHERE_SECONDS, elsewhere)
    uploads, refused = _spooled(storage, images)
    if not session.scalars(EXISTS, {"listing_id": listing_id}).one():
        give_up(session, uploads)
        return {"photos": 0}
    reserve(session, uploads)  # a call that is tried again may find them given up
    spared: list[Refusal] = []
    found = business(session)
    try:
        if refused:
            raise BadPhotos(refused, len(images))
        photos = process(
            storage,
            uploads,
            lambda keys: reserve(session, keys),
            widths=found.photo_widths,
            quality=found.photo_quality,
            spared=spared if found.photo_sets == "good" else None,
            progress=lambda done: report(done, len(uploads), "photos"),
        )
        listing = session.execute(LOCK, {"listing_id": listing_id}).one_or_none()
        if add and listing is not None:
            _require_room(found.photos_most, len(listing.photos), len(uploads), spared)
    except BadPhotos as bad:
        _refuse(listing_id, uploads, bad)
        raise
    if listing is None:  # it went while the pictures were decoded
        give_up(session, [*uploads, *_files(photos)])
        return {"photos": 0}
    _publish(session, listing_id, [*(listing.photos if add else []), *map(asdict, photos)], before=listing.keys)
    give_up(session, uploads)
    sizes = [variant.bytes for photo in photos for variant in photo.variants]
    counts = {"photos": len(photos), "files": len(sizes), "bytes": sum(sizes)}
    if alike := twins.note(session, listing_id, [(photo.key, photo.dhash) for photo in photos], keep_others=add):
        counts["twins"] = alike
    if spared:
        _tell(session, listing_id, uploads, spared, len(photos))
        counts["refused"] = len(spared)
    return counts


def _require_room(most: int, there: int, total: int, spared: list[Refusal]) -> None:
    """Raise BadPhotos, of those of a set for which a listing has no room, where it has not for
    all.
    """
    good = [position for position in range(1, total + 1) if all(each.position != position for each in spared)]
    if there + len(good) > most:
        words = f"the listing has {there} photos, and {most} at most"
        raise BadPhotos([*(Refusal(n, "too_many", words) for n in good[max(0, most - there) :]), *spared], total)


def _publish(session: Session, listing_id: int, photos: list[Any], *, before: list[str]) -> None:
    """Give the listing these photos, and give up the files of those that it had and has not any
    more.
    """
    after = session.scalars(PUBLISH, {"listing_id": listing_id, "photos": orjson.dumps(photos).decode()}).one()
    give_up(session, set(before) - set(after))


def _files(photos: list[StoredPhoto]) -> list[str]:
    return [file.key for photo in photos for file in (*photo.variants, photo.preview)]


def _refuse(listing_id: int, uploads: list[str], bad: BadPhotos) -> None:
    """Give the uploads up and tell the owner. In a transaction of its own: the call's is rolled
    back when it fails.
    """
    with transaction() as tx:
        give_up(tx, uploads)
        _tell(tx, listing_id, uploads, bad.refused)


def _tell(tx: Session, listing_id: int, uploads: list[str], refusals: Sequence[Refusal], accepted: int = 0) -> None:
    call = current.get()
    which = str(call.id) if call else hashlib.sha256("".join(uploads).encode()).hexdigest()[:16]
    listing = tx.execute(OWNER, {"listing_id": listing_id}).one_or_none()
    if listing is not None:
        refused = tuple(RefusedPhoto(each.position, each.code) for each in refusals)
        notice = PhotosRefused(listing_id, listing.title, listing.slug, which, len(uploads), refused, accepted)
        tell(tx, [(listing.owner_id, notice)])


def _spooled(storage: Storage, images: list[str]) -> tuple[list[str], list[Refusal]]:
    """The keys of those that are, or could be, spooled, and the refusals of the others."""
    keys: list[str] = []
    refused: list[Refusal] = []
    for position, image in enumerate(images, start=1):
        try:
            keys.append(_named(image) if image.startswith(INCOMING) else spool(storage, image))
        except BadUpload as bad:
            refused.append(Refusal(position, bad.code, bad.words))
    return keys, refused


def _named(key: str) -> str:
    try:
        return checked_key(key)
    except StorageError as error:
        raise BadUpload("no_key", str(error)) from None
