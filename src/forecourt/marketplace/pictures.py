"""Pictures: an uploaded photo becomes upright sRGB WebP in three widths with nothing but pixels in it, or is refused.

What is decoded is hostile until proven otherwise: format and size are settled before the first pixel, only five
decoders are ever reached, and whatever they raise is a refusal for good, never a crash.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image, ImageCms
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from forecourt.marketplace import heic
from forecourt.marketplace.storage import Storage
from forecourt.marketplace.uploads import MAX_UPLOAD_BYTES, BadUpload

WIDTHS = (1600, 800, 400)
# Measured on a 12 MP photo: method 2 encodes 40 % faster than Pillow's default 4, for 5 % more bytes.
QUALITY, METHOD = 80, 2

MAX_PIXELS = 50_000_000  # what imgproxy accepts; Pillow's own limit lets a 0.5 MB file take 730 MB of memory
MAX_SIDE = 12_000

# Part of every key: another recipe makes other bytes, which need another name. Raise the number when the steps change.
_RECIPE = f"1 webp quality={QUALITY} method={METHOD} widths={WIDTHS}".encode()


class _Jpeg(JpegImageFile):
    """A JPEG, or the first picture of a phone's two (MPO): what lies behind it is trailing bytes."""

    def _read_dpi_from_exif(self) -> None:
        """The resolution is dropped anyway, and the broken EXIF of some good photos makes Pillow stumble here."""


# The classes rather than Image.open: its JPEG factory makes another format of an MPO, and its size check only warns.
_DECODERS: Mapping[str, type[ImageFile]] = {
    "JPEG": _Jpeg,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "AVIF": AvifImageFile,
}
INSTEAD = "send JPEG, PNG, WebP, AVIF or HEIC"

_NOT_ACCEPTED = (
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<", "SVG or HTML"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)

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


class BadPicture(BadUpload):
    """A photo refused for good. `code` is one of empty, too_large, unsupported_format, animated, truncated, broken."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One width of a photo, encoded."""

    key: str
    width: int
    height: int
    webp: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """One width of a photo, in storage."""

    key: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo in storage: its main key (the widest variant) and every variant, widest first."""

    key: str
    variants: tuple[StoredVariant, ...]


def process(
    storage: Storage, upload_keys: Sequence[str], hold: Callable[[list[str]], None] = lambda keys: None
) -> list[StoredPhoto]:
    """Makes and stores the variants of spooled uploads, in their order. The uploads stay: their owner deletes them.

    `hold` is called with the keys of all variants before the first is stored.

    All or nothing: BadPicture names the position of the first bad photo, and then nothing is stored. Repeating a call
    changes nothing. Raises NotStoredError when an upload is gone.
    """
    made = []
    for position, key in enumerate(upload_keys, start=1):
        try:
            made.append(variants(storage.read(key)))
        except BadPicture as bad:
            raise BadPicture(bad.code, f"photo {position} of {len(upload_keys)}: {bad.words}") from bad
    hold([variant.key for photo in made for variant in photo])
    for photo in made:
        for variant in photo:
            storage.put(variant.key, variant.webp)
    return [
        StoredPhoto(photo[0].key, tuple(StoredVariant(v.key, v.width, v.height, len(v.webp)) for v in photo))
        for photo in made
    ]


def variants(data: bytes) -> tuple[Variant, ...]:
    """The variants of one photo, widest first, at least one. The same bytes give the same keys and the same pictures.

    A photo is never enlarged: one of 500 px gives widths 500 and 400, one of 300 px only 300. Raises BadPicture.
    """
    picture, (width, height) = _decode(data)
    name = hashlib.sha256(_RECIPE + data).hexdigest()[:32]
    made = []
    for target in sorted({min(width, limit) for limit in WIDTHS}, reverse=True):
        # Each from the one before: the large picture is resampled once.
        picture = _resized(picture, (target, max(1, round(height * target / width))))
        out = BytesIO()
        picture.save(out, "WEBP", quality=QUALITY, method=METHOD)
        key = f"photos/{name[:2]}/{name[2:4]}/{name}-{target}.webp"
        made.append(Variant(key, *picture.size, out.getvalue()))
    return tuple(made)


def _decode(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """The picture upright, in sRGB, no wider than the widest variant, without metadata; and its own full size."""
    kind = _format_of(data)
    with _refusals(kind), _decoder_of(kind)(BytesIO(data)) as source:
        _check_size(source, frames=1 if kind == "HEIC" else getattr(source, "n_frames", 1))
        size = source.size
        if isinstance(source, _Jpeg):
            # Decodes at 1/2, 1/4 or 1/8 in a fraction of the time. Pillow takes the smaller of both ratios, so the
            # size asked for needs the photo's own aspect.
            source.draft(None, _reduced(size, _orientation(source)))
        source.load()
        if kind == "HEIC" and source.size != size:
            raise BadPicture("broken", "the HEIC file has another size than it says")
        orientation = _orientation(source)  # again: a PNG may carry it behind its pixels
        profile = source.info.get("icc_profile")
        picture = _opaque(source)
    picture = _resized(picture, _reduced(size, orientation))
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    picture = _in_srgb(picture, profile)
    picture.info.clear()  # what an encoder doesn't see it cannot write
    return picture, size if orientation < 5 else (size[1], size[0])


def _format_of(data: bytes) -> str:
    """The format by its first bytes, one of _DECODERS. Refuses every other, and what is too large or visibly cut."""
    if not data:
        raise BadPicture("empty", "the file has no bytes")
    if len(data) > MAX_UPLOAD_BYTES:
        raise BadPicture("too_large", f"{len(data) / 1e6:.1f} MB; at most {MAX_UPLOAD_BYTES // 1_000_000} MB")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        if len(data) < 8 + int.from_bytes(data[4:8], "little"):  # libwebp would only say that it cannot decode
            raise BadPicture("truncated", "the WebP file is shorter than it says")
        return "WebP"
    name = next((name for magic, name in _NOT_ACCEPTED if data.startswith(magic)), "this file type")
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4]), 512)]
        found = {brands[at : at + 4] for at in range(0, len(brands), 4)}
        if found & {b"avif", b"avis"}:
            return "AVIF"
        if data[8:12] in heic.SEQUENCES:
            raise BadPicture("animated", "a sequence of HEIC pictures; send a still one")
        if found & heic.BRANDS:
            return "HEIC"
        name = "video"
    raise BadPicture("unsupported_format", f"{name} is not accepted; {INSTEAD}")


def _decoder_of(kind: str) -> type[ImageFile]:
    if kind != "HEIC":
        return _DECODERS[kind]
    try:
        return heic.decoder()
    except heic.NotInstalled:
        words = f"HEIC is not accepted here, since forecourt[heic] is not installed; {INSTEAD}"
        raise BadPicture("unsupported_format", words) from None


@contextmanager
def _refusals(kind: str) -> Iterator[None]:
    """Turns what a decoder raises into BadPicture. The bytes are in memory: nothing here is a passing trouble."""
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


def _check_size(source: ImageFile, *, frames: int) -> None:
    width, height = source.size
    if width * height > MAX_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} MP ({width} x {height})"
        raise BadPicture("too_large", f"{megapixels}; at most {MAX_PIXELS // 1_000_000} MP")
    if max(width, height) > MAX_SIDE:
        raise BadPicture("too_large", f"{width} x {height} px; at most {MAX_SIDE} px a side")
    if frames > 1:
        raise BadPicture("animated", f"{frames} frames; send a still picture")


def _reduced(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """`size`, as stored, scaled down so that the upright picture is no wider than the widest variant."""
    upright_width = size[0] if orientation < 5 else size[1]
    scale = min(1.0, WIDTHS[0] / upright_width)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _orientation(source: ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 is upright, and what a missing or broken EXIF block means.

    Reads this one number itself: a full parse warns or raises on the broken blocks that good photos carry.
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


def _opaque(source: Image.Image) -> Image.Image:
    """The pixels as L, RGB or CMYK, what is transparent on white."""
    if source.mode == "I;16":  # 16-bit grey, low byte first; convert() would clip nearly all of it to white
        return Image.frombytes("L", source.size, source.tobytes()[1::2])
    if source.has_transparency_data:
        layer = source if source.mode == "RGBA" else source.convert("RGBA")
        page = Image.new("RGB", source.size, "white")
        page.paste(layer, mask=layer)
        return page
    if source.mode in ("L", "RGB", "CMYK"):
        return source
    return source.convert("L" if source.mode == "1" else "RGB")


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in sRGB, by its embedded profile; one that is broken or doesn't fit is ignored, as browsers do."""
    if profile:
        with suppress(OSError, ImageCms.PyCMSError):
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            if picture.mode == "L" and embedded.profile.xcolor_space.strip() == "RGB":
                picture = picture.convert("RGB")
            return ImageCms.buildTransform(embedded, _SRGB, picture.mode, "RGB").apply(picture)
    return picture.convert("RGB")
