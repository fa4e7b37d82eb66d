"""A PNG whose end is missing or damaged, while its pixels are all there."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


class _Chunk(NamedTuple):
    kind: bytes
    begin: int
    end: int
    whole: bool


def mended(data: bytes) -> bytes:
    """The file with a proper end. One that has an end is returned as it is, and so is one without
    pixels.

    Whether the pixels are whole is for the decoder to say: a last block of them that was cut keeps
    what it has.
    """
    kept: _Chunk | None = None
    for chunk in _chunks(data):
        if chunk.kind == b"IEND" and chunk.whole:
            return data
        if chunk.kind == b"IDAT":
            kept = chunk
            if not chunk.whole:
                break
        elif kept is not None:
            if not chunk.whole or _checksum(data, chunk) != data[chunk.end - 4 : chunk.end]:
                break
            kept = chunk
    if kept is None:
        return data
    if kept.whole:
        return data[: kept.end] + END
    body = data[kept.begin + 8 : kept.end]
    cut = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return data[: kept.begin] + cut + END


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Up to the first that is none; the last may be cut."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if not kind.isalpha():
            return
        end = at + 12 + length
        if end > len(data):
            yield _Chunk(kind, at, min(len(data), at + 8 + length), whole=False)
            return
        yield _Chunk(kind, at, end, whole=True)
        at = end


def _checksum(data: bytes, chunk: _Chunk) -> bytes:
    return struct.pack(">I", zlib.crc32(data[chunk.begin + 4 : chunk.end - 4]))
