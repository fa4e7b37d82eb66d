"""What little is said of a whole photo: a placeholder of some 25 bytes, and a hash that photos of
the same picture share.

The placeholder is a ThumbHash (evanw.github.io/thumbhash): a page shows it, blurred, until the
photo is there. The hash is a dHash: 64 answers to "is it brighter further right", which saving
anew, scaling and small crops hardly change.
"""

import math
from base64 import b64encode
from operator import mul

from PIL import Image

THUMB = 32
"""Pixels of the longer side from which the placeholder is made; the frequencies that it keeps need
no more.
"""


def thumbhash(picture: Image.Image) -> str:
    """The ThumbHash of an opaque picture, as base64."""
    small = picture.convert("RGB")
    small.thumbnail((THUMB, THUMB))
    width, height = small.size
    flat = small.tobytes()
    pixels = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
    light = [(r + g + b) / (3 * 255) for r, g, b in pixels]
    yellow = [((r + g) / 2 - b) / 255 for r, g, b in pixels]
    red = [(r - g) / 255 for r, g, _ in pixels]
    longer = max(width, height)
    across, down = max(1, round(7 * width / longer)), max(1, round(7 * height / longer))
    light_dc, light_ac, light_scale = _cosines(light, width, height, max(3, across), max(3, down))
    yellow_dc, yellow_ac, yellow_scale = _cosines(yellow, width, height, 3, 3)
    red_dc, red_ac, red_scale = _cosines(red, width, height, 3, 3)
    landscape = width > height
    head = (
        round(63 * light_dc)
        | round(31.5 + 31.5 * yellow_dc) << 6
        | round(31.5 + 31.5 * red_dc) << 12
        | round(31 * light_scale) << 18
    )
    tail = (
        (down if landscape else across) | round(63 * yellow_scale) << 3 | round(63 * red_scale) << 9 | landscape << 15
    )
    nibbles = [round(15 * value) for value in (*light_ac, *yellow_ac, *red_ac)]
    if len(nibbles) % 2:
        nibbles.append(0)
    body = bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return b64encode(head.to_bytes(3, "little") + tail.to_bytes(2, "little") + body).decode()


def dhash(picture: Image.Image) -> int:
    """64 bits, as PostgreSQL's bigint holds them. Two photos of one picture differ in a few of
    them.
    """
    pixels = picture.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    bits = 0
    for row in range(0, 72, 9):
        for at in range(row, row + 8):
            bits = bits << 1 | (pixels[at] < pixels[at + 1])
    return bits - (1 << 64) if bits >> 63 else bits


def _cosines(channel: list[float], width: int, height: int, across: int, down: int) -> tuple[float, list[float], float]:
    """A channel's mean, and its low frequencies, each from 0 to 1 within `scale`."""
    mean, found, scale = 0.0, [], 0.0
    columns = [[math.cos(math.pi / width * n * (x + 0.5)) for x in range(width)] for n in range(across)]
    rows = [[math.cos(math.pi / height * n * (y + 0.5)) for y in range(height)] for n in range(down)]
    lines = [channel[start : start + width] for start in range(0, width * height, width)]
    across_each = [[sum(map(mul, line, column)) for line in lines] for column in columns]
    for at_y in range(down):
        for at_x in range(across):
            if at_x * down >= across * (down - at_y):
                break
            total = sum(map(mul, rows[at_y], across_each[at_x])) / (width * height)
            if at_x or at_y:
                found.append(total)
                scale = max(scale, abs(total))
            else:
                mean = total
    if scale > 0:
        found = [0.5 + 0.5 / scale * each for each in found]
    return mean, found, scale
