"""From the bytes of an upload to an upright sRGB picture, no wider than is needed, with nothing but
pixels in it.

What is decoded is hostile until proven otherwise: format, size and cost are settled before the
first pixel, and whatever a decoder raises is a refusal for good, never a crash.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile

from forecourt.marketplace.formats import BadPicture, Jpeg, format_of, opened
from forecourt.marketplace.jpeg import Survey, survey
from forecourt.marketplace.png import mended
from forecourt.marketplace.uploads import beyond

MAX_PIXELS = 65_000_000  # a phone of "64 MP" takes 9248 x 6936, which is 64.1
MAX_SIDE = 16_000  # a phone's panorama; WebP, in which we answer, ends at 16383
MIN_SIDE = 32  # below that it is an icon, or a pixel that somebody wants to track with

MAX_SCANS = 100
"""Cameras and optimisers write some 10 of a progressive JPEG; each walks through all coefficients
again, 25 ms at 49 MP.
"""

MEMORY = 450_000_000
"""Bytes that decoding may take at its peak, with what comes before the picture is small."""

# At the peak, measured: the decoder's own frames, what it hands over, and what is made of it while
# it is still there.
_BYTES_A_PIXEL = {
    "WebP": {"RGB": 12.3, "RGBA": 12.3},
    "AVIF": {"RGB": 10.5, "RGBA": 13.0},
    "HEIC": {"RGB": 7.0, "RGBA": 9.5},
    "PNG": {"1": 2.0, "L": 1.0, "P": 5.0, "RGB": 4.0, "RGBA": 6.0, "LA": 7.0, "I;16": 6.0},
}
_BYTES_OF_ANY_OTHER_MODE = 14.0
_BYTES_WITH_A_TRANSPARENT_COLOUR = {"1": 7.0, "L": 7.0, "P": 7.0, "RGB": 10.0}

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def decode(data: bytes, widest: int) -> tuple[Image.Image, tuple[int, int]]:
    """The picture upright, in sRGB, at most `widest` wide, without metadata; and its own full size.
    Raises BadPicture.
    """
    kind = format_of(data)
    scans = survey(data, limit=MAX_SCANS) if kind == "JPEG" else None
    if scans is not None and scans.scans > MAX_SCANS:
        raise BadPicture("broken", f"a JPEG in more than {MAX_SCANS} scans; save it anew, with a few of them or one")
    if kind == "PNG":
        data = mended(data)
    with _refusals(kind), opened(kind, data) as source:
        _check_size(source.size)
        frames = 1 if kind == "HEIC" else getattr(source, "n_frames", 1)
        if frames > 1:
            raise BadPicture("animated", f"{frames} frames; send a still picture")
        size = source.size
        if isinstance(source, Jpeg):
            # Decodes at 1/2, 1/4 or 1/8 in a fraction of the time. Pillow takes the smaller of both
            # ratios, so the size asked for needs the photo's own aspect.
            source.draft(None, _reduced(size, _orientation(source), widest))
        _check_memory(kind, source, scans)
        source.load()
        if kind == "HEIC" and source.size != size:
            raise BadPicture("broken", "the HEIC file has another size than it says")
        orientation = _orientation(source)  # again: a PNG may carry it behind its pixels
        profile = source.info.get("icc_profile")
        picture = _opaque(source, _reduced(size, orientation, widest))
    del source  # the pixels of a tall picture are many, and each step below makes them anew
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    picture = _in_srgb(picture, profile)
    picture.info.clear()  # what an encoder doesn't see it cannot write
    return picture, size if orientation < 5 else (size[1], size[0])


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture in this size, itself when it has it already."""
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


@contextmanager
def _refusals(kind: str) -> Iterator[None]:
    """Turns what a decoder raises into BadPicture. The bytes are in memory: nothing here is a
    passing trouble.
    """
    try:
        yield
    except (BadPicture, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # WebP asks before it makes room for the canvas
        raise BadPicture("too_large", f"more than {MAX_PIXELS // 1_000_000} MP") from error
    except Exception as error:  # decoders raise nearly every built-in type on hostile bytes
        words = str(error)
        if "too large for PngImagePlugin" in words:
            raise BadPicture("too_large", "a compressed block of this PNG unpacks to more than 1 MB") from error
        code = "truncated" if "truncated" in words.lower() else "broken"
        raise BadPicture(code, f"the {kind} file cannot be decoded ({words})") from error


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BadPicture("too_large", beyond(width * height, MAX_PIXELS, "MP", f" ({width} x {height})"))
    if max(size) > MAX_SIDE:
        raise BadPicture("too_large", f"{width} x {height} px; at most {MAX_SIDE} px a side")
    if min(size) < MIN_SIDE:
        raise BadPicture("too_small", f"{width} x {height} px; at least {MIN_SIDE} px a side")


def _check_memory(kind: str, source: ImageFile, scans: Survey | None) -> None:
    """Refuses what would take more than MEMORY. A JPEG in one scan, decoded at a part of its size,
    never does.
    """
    pixels = source.width * source.height  # of a drafted JPEG: those that are decoded
    if scans is not None:
        kept = 2 * scans.samples if scans.scans > 1 else 0  # libjpeg keeps the coefficients until the last scan
        if kept + 4 * pixels > MEMORY:
            raise BadPicture("too_large", f"a JPEG of this size in {scans.scans} scans; save it anew, in one scan")
        return
    modes = _BYTES_WITH_A_TRANSPARENT_COLOUR if "transparency" in source.info else _BYTES_A_PIXEL[kind]
    each = modes.get(source.mode, _BYTES_OF_ANY_OTHER_MODE)
    if each * pixels > MEMORY:
        most = int(MEMORY / each)
        raise BadPicture("too_large", f"{beyond(pixels, most, 'MP')} as {kind} like this one; send JPEG")


def _reduced(size: tuple[int, int], orientation: int, widest: int) -> tuple[int, int]:
    """`size`, as stored, scaled down so that the upright picture is no wider than `widest`."""
    upright_width = size[0] if orientation < 5 else size[1]
    scale = min(1.0, widest / upright_width)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(source: ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 is upright, and what a missing or broken EXIF block means.

    Reads this one number itself: a full parse warns or raises on the broken blocks that good photos
    carry.
    """
    tiff = bytes(source.info.get("exif") or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    with suppress(struct.error):  # an offset beyond the end
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            tag, _type, _count, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == _ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    return 1


def _opaque(source: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The pixels as L, RGB or CMYK in this size, what is transparent on white.

    A full picture beside the decoded one is what memory is made of: so white is laid into the
    source itself, and its channels are scaled one by one.
    """
    if source.mode == "I;16":  # 16-bit grey, low byte first; convert() would clip nearly all of it to white
        return resized(Image.frombytes("L", source.size, source.tobytes()[1::2]), size)
    if source.mode in ("RGBA", "LA"):
        blank = ImageChops.invert(source.getchannel("A"))
        if source.mode == "LA":
            grey = source.getchannel("L")
            grey.paste(255, mask=blank)
            return resized(grey, size)
        source.paste((255, 255, 255, 255), mask=blank)
        del blank
        return Image.merge("RGB", [resized(source.getchannel(band), size) for band in "RGB"])
    if source.has_transparency_data:
        return _opaque(source.convert("RGBA"), size)
    if source.mode in ("L", "RGB", "CMYK"):
        return resized(source, size)
    return resized(source.convert("L" if source.mode == "1" else "RGB"), size)


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in sRGB, by its embedded profile; one that is broken or doesn't fit is ignored,
    as browsers do.
    """
    if profile:
        with suppress(OSError, ImageCms.PyCMSError):
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            if picture.mode == "L" and embedded.profile.xcolor_space.strip() == "RGB":
                picture = picture.convert("RGB")
            return ImageCms.buildTransform(embedded, _SRGB, picture.mode, "RGB").apply(picture)
    return picture if type(picture) is Image.Image and picture.mode == "RGB" else picture.convert("RGB")
