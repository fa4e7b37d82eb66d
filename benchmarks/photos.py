"""Photos: the job's function beside bare Pillow, and two worker slots beside one."""

import base64
import random
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO

import psycopg
from PIL import Image

from benchmarks.ground import Ground
from benchmarks.market import have_listings
from benchmarks.measure import Figures, Row, Scale, at_least, in_turn, ratios
from forecourt.database import session
from forecourt.marketplace import places
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.pictures import METHOD, QUALITY, WIDTHS, variants

SIZE = (4000, 3000)
IN_A_ROW = 6
CALLS = 16

# From the first start to the last end: how long workers take to start is measured elsewhere.
SPAN = """
SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))
FROM forecourt.done
WHERE job = 'process_car_images'
  AND outcome = 'finished'
"""


def measure(ground: Ground, scale: Scale) -> list[Row]:
    """Both sides make the same three files of the same photo."""
    photo = _photo()
    return [_beside_pillow(photo, scale), _in_two_slots(photo, ground, scale)]


def _beside_pillow(photo: bytes, scale: Scale) -> Row:
    times = scale.of(IN_A_ROW)
    ours = [(made.width, made.height) for made in variants(photo)]
    assert ours == [Image.open(BytesIO(webp)).size for webp in _bare(photo)], "the sides make different pictures"

    def rate(make: Callable[[bytes], object]) -> float:
        begun = time.process_time()
        for _ in range(times):
            make(photo)
        return times / (time.process_time() - begun)

    mine, bare = in_turn(scale.rounds, lambda: rate(variants), lambda: rate(_bare))
    return at_least(
        "12 MP JPEG to three WebP",
        0.9,
        ratios(mine, bare),
        f"photos a second of CPU, {', '.join(map(str, WIDTHS))} px: {Figures(mine, '/s')}; "
        f"bare Pillow with draft decoding {Figures(bare, '/s')}",
        "bare Pillow",
    )


def _in_two_slots(photo: bytes, ground: Ground, scale: Scale) -> Row:
    calls = scale.of(CALLS)
    one, two = in_turn(scale.rounds, lambda: _worked(photo, ground, calls, 1), lambda: _worked(photo, ground, calls, 2))
    return at_least(
        "photos: two worker slots",
        1.8,
        ratios(two, one),
        f"{calls} calls of a 12 MP photo: {Figures(two, '/s')}; one slot {Figures(one, '/s')}",
        "one slot",
    )


def _worked(photo: bytes, ground: Ground, calls: int, slots: int) -> float:
    """Calls a second of a worker with so many slots."""
    with ground.fresh("forecourt.marketplace.app:app") as url:
        with session() as tx:
            have_listings(tx, 1, calls)
            for n in range(calls):
                # What follows the end of a JPEG is ignored, but makes another photo of it, with
                # other keys.
                image = base64.b64encode(photo + n.to_bytes(4, "big") + time.time_ns().to_bytes(8, "big")).decode()
                process_car_images.using(session=tx).dispatch(images=[image], listing_id=n + 1)
        work = ["queue", "work", "--queue", "high", "--processes", str(slots), "--stop-when-empty"]
        subprocess.run([sys.executable, "-m", "forecourt", *work], check=True, capture_output=True)
        with psycopg.connect(url) as connection:
            done, seconds = connection.execute(SPAN).fetchone() or (0, 0)
            photos = connection.execute(
                "SELECT jsonb_path_query(photos, '$[*].variants[*].key') #>> '{}' FROM car_listings"
            )
            keys = [key for (key,) in photos]
    assert done == calls, f"{done} of {calls} calls finished"
    storage = places.files()
    assert len(keys) == 3 * calls, f"{len(keys)} files for {calls} photos"
    assert all(storage.exists(key) for key in keys), "a file is missing"
    return calls / float(seconds)


def _bare(photo: bytes) -> list[bytes]:
    """What Pillow's own documentation leads to: decode at reduced size, then each width from the
    one before.
    """
    made = []
    with Image.open(BytesIO(photo)) as opened:
        opened.draft("RGB", (WIDTHS[0], WIDTHS[0] * SIZE[1] // SIZE[0]))
        picture: Image.Image = opened
        for width in WIDTHS:
            picture = picture.resize((width, width * SIZE[1] // SIZE[0]), Image.Resampling.LANCZOS)
            out = BytesIO()
            picture.save(out, "WEBP", quality=QUALITY, method=METHOD)
            made.append(out.getvalue())
    return made


def _photo() -> bytes:
    """12 MP with the detail of a photograph: soft shapes under grain."""
    some = random.Random(4)
    shapes = Image.frombytes("RGB", (40, 30), some.randbytes(40 * 30 * 3)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = Image.effect_noise(SIZE, 24).convert("RGB")
    out = BytesIO()
    Image.blend(shapes, grain, 0.15).save(out, "JPEG", quality=88)
    return out.getvalue()
