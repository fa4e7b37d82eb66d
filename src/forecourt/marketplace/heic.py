"""HEIC, the format of every iPhone. libheif reads it, where `forecourt[heic]` is installed.

The file itself says how it is to be turned, and libheif turns it; the orientation in its EXIF says
the same a second time, and is not applied again. Depth maps and the other pictures of a burst are
left alone: what counts is the primary one.
"""

from PIL.ImageFile import ImageFile

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
SEQUENCES = {b"hevc", b"hevx", b"msf1"}
"""Major brands of files that are moving pictures."""


class NotInstalled(Exception):
    """There is no decoder for HEIC here."""


def decoder() -> type[ImageFile]:
    """The class that opens one. Raises NotInstalled."""
    try:
        from pillow_heif import options
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError:
        raise NotInstalled from None
    options.DECODE_THREADS = 1  # a slot is one of several, and their number says how much runs at once
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    kind: type[ImageFile] = HeifImageFile
    return kind
