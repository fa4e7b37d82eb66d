"""Which format an upload has, by its first bytes, and the class that opens it. Only five decoders
are ever reached.
"""

from collections.abc import Mapping
from io import BytesIO

from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from forecourt.marketplace import heic
from forecourt.marketplace.uploads import MAX_UPLOAD_BYTES, BadUpload, beyond

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


class BadPicture(BadUpload):
    """A photo refused for good. `code` is one of empty, too_large, too_small, unsupported_format,
    animated, truncated, broken."""


class Jpeg(JpegImageFile):
    """A JPEG, or the first picture of a phone's two (MPO): what lies behind it is trailing
    bytes.
    """

    def _read_dpi_from_exif(self) -> None:
        """The resolution is dropped anyway, and the broken EXIF of some good photos makes Pillow
        stumble here.
        """


class WebP(WebPImageFile):
    """A still WebP. Its decoder holds two canvases of its own, which go before the picture is made
    of what it gave.
    """

    def _get_next(self) -> tuple[bytes, int, int]:
        frame = super()._get_next()
        del self._decoder
        return frame


# The classes rather than Image.open: its JPEG factory makes another format of an MPO, and its size
# check only warns.
_DECODERS: Mapping[str, type[ImageFile]] = {
    "JPEG": Jpeg,
    "PNG": PngImageFile,
    "WebP": WebP,
    "AVIF": AvifImageFile,
}


def opened(kind: str, data: bytes) -> ImageFile:
    """The file, its header read. Raises BadPicture where HEIC has no decoder, and whatever a
    decoder raises.
    """
    if kind != "HEIC":
        return _DECODERS[kind](BytesIO(data))
    try:
        return heic.decoder()(BytesIO(data))
    except heic.NotInstalled:
        words = f"HEIC is not accepted here, since forecourt[heic] is not installed; {INSTEAD}"
        raise BadPicture("unsupported_format", words) from None


def format_of(data: bytes) -> str:
    """JPEG, PNG, WebP, AVIF or HEIC. Refuses every other, and what is too large or visibly cut."""
    if not data:
        raise BadPicture("empty", "the file has no bytes")
    if len(data) > MAX_UPLOAD_BYTES:
        raise BadPicture("too_large", beyond(len(data), MAX_UPLOAD_BYTES, "MB"))
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
