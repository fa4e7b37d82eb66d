"""Photos as iPhones take them: read like all others, with the same limits, or refused with
words.
"""

import sys
from contextlib import suppress
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageDraw

from forecourt.marketplace.pictures import BadPicture, variants

pillow_heif.register_heif_opener()

RED, GREEN = (220, 30, 30), (30, 160, 60)


def photo(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Red, with a green corner at the upper left."""
    picture = Image.new("RGB", size, RED)
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 4, size[1] // 4), fill=GREEN)
    return picture


def encoded(picture: Image.Image, **more: Any) -> bytes:
    """By Pillow's way to save, which turns an orientation into the file's own."""
    out = BytesIO()
    picture.save(out, "HEIF", **more)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    return Image.open(BytesIO(variants(data)[0].content))


def is_green(picture: Image.Image, at: tuple[float, float]) -> bool:
    pixel = picture.convert("RGB").getpixel((int(at[0] * picture.width), int(at[1] * picture.height)))
    assert isinstance(pixel, tuple)
    return pixel[1] > pixel[0]


def test_a_photo_becomes_webp_without_anything_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker of phones"
    made = variants(encoded(photo((2000, 1500)), exif=exif.tobytes(), xmp=b"<x:xmpmeta>secret</x:xmpmeta>"))
    assert [(v.width, v.height) for v in made] == [(1600, 1200), (800, 600), (400, 300)]
    for variant in made:
        assert b"secret" not in variant.content
        assert set(Image.open(BytesIO(variant.content)).info) <= {"loop", "background", "timestamp", "duration"}
    assert is_green(decoded(encoded(photo())), (0.1, 0.1))


@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, (0.1, 0.1)), (3, (0.9, 0.9)), (6, (0.9, 0.1)), (8, (0.1, 0.9))]
)
def test_a_photo_is_turned_once(orientation: int, corner: tuple[float, float]) -> None:
    """The file says it twice, to libheif and in its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = decoded(encoded(photo(), exif=exif.tobytes()))
    assert is_green(shown, corner)
    assert (shown.width > shown.height) == (orientation in (1, 3))


def test_an_embedded_profile_is_applied() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_green(decoded(encoded(photo(), icc_profile=lab)), (0.1, 0.1))


def test_of_several_pictures_the_primary_one_counts() -> None:
    several = pillow_heif.HeifFile()
    several.add_from_pillow(Image.new("RGB", (64, 64), (0, 0, 255)))
    several.add_from_pillow(photo())
    out = BytesIO()
    several.save(out, primary_index=1)
    assert decoded(out.getvalue()).size == (640, 480)


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same file, which says that its picture is so large."""
    at = data.index(b"ispe") + 8
    return data[:at] + width.to_bytes(4) + height.to_bytes(4) + data[at + 8 :]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda data: data[: len(data) // 2], "broken"),
        (lambda data: data[:40], "broken"),
        (lambda data: with_size(data, 30_000, 30_000), "too_large"),
        (lambda data: with_size(data, 20_000, 100), "too_large"),
        (lambda data: data.replace(b"hvc1", b"xxxx"), "broken"),
        (lambda data: data[:8] + b"hevc" + data[12:], "animated"),
        (lambda data: data + bytes(21_000_000), "too_large"),
    ],
    ids=["half", "head only", "a bomb", "a strip", "no codec", "a sequence", "padded"],
)
def test_a_hostile_file_is_refused_with_words(spoil: Any, code: str) -> None:
    with pytest.raises(BadPicture) as refused:
        variants(spoil(encoded(photo())))
    assert refused.value.code in (code, "truncated")


def test_every_cut_and_every_flipped_byte_of_a_head_ends_in_a_picture_or_a_refusal() -> None:
    data = encoded(photo((64, 48)))
    for at in range(0, min(len(data), 600), 7):
        for spoiled in (data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]):
            with suppress(BadPicture):
                assert variants(spoiled)


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadPicture, match=r"forecourt\[heic\] is not installed; send JPEG"):
        variants(data)
