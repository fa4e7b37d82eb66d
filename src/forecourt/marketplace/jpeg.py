"""What a JPEG says of itself, read before anything is decoded: its scans, and how much it makes a
decoder keep.
"""

import re
import struct
from typing import NamedTuple

MAX_SEGMENTS = 10_000
"""A camera writes some dozens. Beyond that a file is walked no further: its decoder judges it."""

# Inside a scan 0xFF is followed by 0 (it is data), by a restart marker, or by another 0xFF
# (filling).
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ALONE = {0x01, 0xD8, *range(0xD0, 0xD8)}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9


class Survey(NamedTuple):
    """`scans`: counted up to one more than the limit. `samples`: of all components together, at
    full size.
    """

    scans: int
    samples: int


def survey(data: bytes, *, limit: int) -> Survey:
    """Walk the segments of the first picture. It takes the time of reading, whatever the file says;
    what is cut or no JPEG is counted as far as it goes."""
    scans = samples = 0
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _NEXT_MARKER.search(data, at)
        if found is None or scans > limit:
            break
        marker, at = data[found.start() + 1], found.end()
        if marker == _END:
            break
        if marker in _ALONE:
            continue
        if marker in _FRAMES:
            samples = _samples(data, at)
        scans += marker == _SCAN
        at += int.from_bytes(data[at : at + 2])
    return Survey(scans, samples)


def _samples(data: bytes, at: int) -> int:
    try:
        height, width, components = struct.unpack_from(">3xHHB", data, at)
        factors = [data[at + 9 + 3 * number] for number in range(components)]
    except (struct.error, IndexError):
        return 0
    across = max((factor >> 4 for factor in factors), default=1)
    down = max((factor & 15 for factor in factors), default=1)
    if not across or not down:
        return 0
    return sum(width * height * (factor >> 4) * (factor & 15) // (across * down) for factor in factors)
