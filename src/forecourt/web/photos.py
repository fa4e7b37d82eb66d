"""`/api/v1/listings/ID/photos`: photos come in, the answer is the id of the call that makes them,
and GET tells how far it is.
"""

import re
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from forecourt.jobs.dispatch import Call
from forecourt.marketplace import places
from forecourt.marketplace.business import business
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.pictures import BadPhotos
from forecourt.marketplace.shared import NotShared, require_shared
from forecourt.marketplace.storage import Storage
from forecourt.marketplace.sweep import AN_UPLOAD
from forecourt.marketplace.uploads import INCOMING, BadUpload
from forecourt.store import inspection, progress
from forecourt.web import answers, database
from forecourt.web.photo_bodies import RefusedUpload, receive

LONGEST_JSON = 64 * 1024 * 1024
"""Bytes: two photos of the largest size as base64, or a dozen of a phone's."""

PHOTOS = "SELECT jsonb_array_length(photos) FROM public.car_listings WHERE id = %(id)s AND deleted_at IS NULL"
STATES = {"ready": "waiting", "scheduled": "waiting", "finished": "done"}


async def add(request: Request) -> Response:
    """Photos behind those that the listing has."""
    return await _enter(request, add=True)


async def replace(request: Request) -> Response:
    """Photos in place of those that the listing has."""
    return await _enter(request, add=False)


async def progress_of(request: Request) -> Response:
    """How far a call of `add` or `replace` is, and what came of it."""
    listing_id, call_id = _number(request, "id"), _number(request, "call")
    return await run_in_threadpool(_progress, listing_id, call_id)


async def _enter(request: Request, *, add: bool) -> Response:
    listing_id = _number(request, "id")
    room = await run_in_threadpool(_room, listing_id, add)
    storage = places.files()
    kept: list[str] = []
    try:
        await run_in_threadpool(require_shared, storage)
        images = await _images(request, storage, room, kept)
    except (RefusedUpload, NotShared) as error:
        await run_in_threadpool(_forget, storage, kept)
        return _refusal(error)
    except BaseException:
        await run_in_threadpool(_forget, storage, kept)  # whoever sent them sends all of them again
        raise
    try:
        call = await run_in_threadpool(_dispatched, listing_id, images, add)
    except BadUpload as error:
        return _refusal(error)
    where = f"/api/v1/listings/{listing_id}/photos/{call.id}"
    content = {"status": "ok", "call": call.id, "photos": len(images), "progress": where}
    return JSONResponse(content, 202, headers={"Location": where, "Cache-Control": "no-store"})


def _number(request: Request, name: str) -> int:
    written: str = request.path_params[name]
    if not re.fullmatch(r"[0-9]{1,18}", written):
        raise HTTPException(404, f"{written[:60]!r} is not the number of a listing, or of a call about its photos")
    return int(written)


def _room(listing_id: int, add: bool) -> int:
    """How many photos the listing has room for. Raises HTTPException for one that there is not, or
    is full.
    """
    with database.reading() as look:
        row = look.tx.execute(PHOTOS, {"id": listing_id}).fetchone()
        most = business(look.tx).photos_most
    if row is None:
        raise HTTPException(404, f"there is no listing {listing_id}")
    if add and row[0] >= most:
        raise HTTPException(
            422, f"listing {listing_id} has {row[0]} photos, and {most} at most; PUT puts others in their place"
        )
    return most - row[0] if add else most


async def _images(request: Request, storage: Storage, most: int, kept: list[str]) -> list[str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        return await _json(request, storage, most)
    await receive(request, storage, most, kept)
    return kept


async def _json(request: Request, storage: Storage, most: int) -> list[str]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_JSON:
            raise HTTPException(413, f"more than {LONGEST_JSON >> 20} MB; send the photos as files")
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from None
    images = given.get("images") if isinstance(given, dict) else None
    if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
        raise HTTPException(422, 'send {"images": [...]}, each a photo as base64, or the key of an upload')
    if len(images) > most:
        raise HTTPException(422, f"{len(images)} photos, more than the {most} that the listing has room for")
    for position, key in enumerate(images, start=1):
        if key.startswith(INCOMING) and not await run_in_threadpool(_is_stored, storage, key):
            raise HTTPException(422, f"photo {position} of {len(images)}: nothing is stored under {key[:200]!r}")
    return images


def _is_stored(storage: Storage, key: str) -> bool:
    """Whether it is an upload that is there, under a name by which the sweep knows it."""
    return re.fullmatch(AN_UPLOAD, key) is not None and storage.exists(key)


def _dispatched(listing_id: int, images: list[str], add: bool) -> Call:
    return process_car_images.dispatch(images=images, listing_id=listing_id, add=add)


def _forget(storage: Storage, keys: list[str]) -> None:
    with storage.deleting() as delete:
        for key in keys:
            delete(key)


def _refusal(error: RefusedUpload | BadUpload | NotShared) -> Response:
    """What is answered to photos that are refused."""
    match error:
        case RefusedUpload(position=position, bad=bad):
            refused = [{"position": position, "code": bad.code, "words": bad.words}]
        case BadPhotos(refused=several):
            refused = [{"position": bad.position, "code": bad.code, "words": bad.words} for bad in several]
        case BadUpload(code=code, words=words):
            refused = [{"code": code, "words": words}]
        case _:
            return answers.problem(503, str(error))
    return answers.problem(422, f"no photo was taken: {_words(refused[0])}", refused=refused)


def _words(refused: dict[str, Any]) -> str:
    return f"photo {refused['position']}: {refused['words']}" if "position" in refused else str(refused["words"])


def _progress(listing_id: int, call_id: int) -> Response:
    with database.reading() as look:
        found = inspection.call(look.tx, call_id)
        said = progress.of(look.tx, [call_id]).get(call_id)
    if found is None or found.job != process_car_images.name or not _is_about(found, listing_id):
        raise HTTPException(404, f"there is no call {call_id} about photos of listing {listing_id}")
    facts: dict[str, Any] = {"call": call_id, "state": STATES.get(found.state, found.state), "attempts": found.attempts}
    if said is not None:
        facts |= {"done": said.done, "total": said.total, "words": said.words}
    if found.result is not None:
        facts["result"] = orjson.loads(found.result)
    if found.message is not None:
        facts["message"] = found.message
    return answers.ok(**facts)


def _is_about(found: inspection.Inspected, listing_id: int) -> bool:
    return found.args is not None and orjson.loads(found.args).get("listing_id") == listing_id
