"""Promises of what a photo may cost: scans, memory, sides; and of a PNG that lost nothing but its
end.
"""

import re
import time
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image
from test_pictures import chunk, difference, encoded, exif_orientation, in_a_process_of_its_own, widest

from forecourt.marketplace.decoding import MAX_SCANS
from forecourt.marketplace.jpeg import survey
from forecourt.marketplace.pictures import BadPicture, variants

LARGEST_GROWTH = 500_000
"""Kilobytes by which a process may grow for one photo."""


def scans(count: int, size: tuple[int, int]) -> bytes:
    """A progressive JPEG with its last scan over and over again."""
    data = encoded(Image.new("RGB", size, "teal"), "JPEG", progressive=True, quality=50)
    starts = [found.start() for found in re.finditer(b"\xff\xda", data)]
    last = data[starts[-1] : -2]
    return data[:-2] + last * (count - len(starts)) + data[-2:]


def test_a_progressive_jpeg_of_sixty_thousand_scans_is_refused_before_it_is_decoded() -> None:
    data = scans(60_000, (7000, 7000))
    began = time.process_time()
    with pytest.raises(BadPicture, match=f"^broken: a JPEG in more than {MAX_SCANS} scans"):
        variants(data)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("count", "accepted"), [(10, True), (MAX_SCANS, True), (MAX_SCANS + 1, False)])
def test_as_many_scans_as_any_camera_writes_are_accepted(count: int, accepted: bool) -> None:
    data = scans(count, (64, 48))
    if accepted:
        assert variants(data)
    else:
        with pytest.raises(BadPicture, match="scans"):
            variants(data)


def test_a_thumbnail_in_the_metadata_counts_as_no_scan() -> None:
    thumbnail = encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=True)
    data = encoded(Image.new("RGB", (64, 64)), "JPEG")
    block = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2) + b"Exif\0\0" + thumbnail
    assert survey(data[:2] + block + data[2:], limit=100).scans == 1


def test_what_is_behind_the_first_picture_counts_as_no_scan() -> None:
    data = encoded(Image.new("RGB", (64, 64)), "JPEG")
    assert survey(data + data, limit=100).scans == 1


def test_a_file_of_nothing_but_segments_is_surveyed_in_no_time() -> None:
    began = time.process_time()
    survey(b"\xff\xd8" + b"\xff\xfe\0\2" * 4_000_000, limit=100)
    assert time.process_time() - began < 1


def rgba(width: int, height: int) -> Image.Image:
    return Image.new("RGBA", (width, height), (200, 40, 40, 120))


LARGE: dict[str, Callable[[], bytes]] = {
    "a phone of 64 MP": lambda: encoded(Image.new("RGB", (9248, 6936), "teal"), "JPEG"),
    "a phone of 50 MP": lambda: encoded(Image.new("RGB", (8192, 6144), "teal"), "JPEG"),
    "a panorama": lambda: encoded(Image.new("RGB", (16_000, 4000), "teal"), "JPEG"),
    "a panorama on end": lambda: encoded(Image.new("RGB", (4000, 16_000), "teal"), "JPEG"),
    "narrow and long": lambda: encoded(Image.new("RGB", (1600, 16_000), "teal"), "JPEG"),
    "progressive, 64 MP": lambda: encoded(Image.new("RGB", (9248, 6936), "teal"), "JPEG", progressive=True),
    "progressive, full colour": lambda: encoded(
        Image.new("RGB", (9248, 6936), "teal"), "JPEG", progressive=True, subsampling=0
    ),
    "a WebP of 36 MP": lambda: encoded(Image.new("RGB", (7300, 4900), "teal"), "WEBP", method=0),
    "a transparent PNG of 48 MP, turned": lambda: encoded(
        rgba(8000, 6000), "PNG", compress_level=1, exif=exif_orientation(6)
    ),
    "a transparent PNG, narrow and long, upside down": lambda: encoded(
        rgba(1600, 16_000), "PNG", compress_level=1, exif=exif_orientation(3)
    ),
    "a PNG with a transparent colour": lambda: encoded(
        Image.new("P", (8000, 6000), 1), "PNG", compress_level=1, transparency=1
    ),
    "an AVIF of 36 MP": lambda: encoded(Image.new("RGB", (7200, 5000), "teal"), "AVIF", speed=10),
}


@pytest.mark.parametrize("what", LARGE)
def test_a_large_photo_is_accepted_below_500_mb(what: str) -> None:
    answer, kilobytes = in_a_process_of_its_own(LARGE[what]())
    assert answer == "[1600, 800, 400]"
    assert kilobytes < LARGEST_GROWTH


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: encoded(Image.new("RGB", (8000, 6000)), "WEBP", method=0), "48 MP; at most 36 MP as WebP"),
        (lambda: encoded(rgba(7200, 5000), "AVIF", speed=10), "36 MP; at most 34 MP as AVIF"),
        (
            lambda: encoded(Image.new("CMYK", (9000, 7000)), "JPEG", progressive=True, subsampling=0),
            "a JPEG of this size in .* scans; save it anew, in one scan",
        ),
    ],
)
def test_what_would_take_more_is_refused_with_a_way_out_and_without_being_decoded(
    data: Callable[[], bytes], words: str
) -> None:
    answer, kilobytes = in_a_process_of_its_own(data())
    assert re.match(f"too_large: {words}", answer)
    assert kilobytes < 250_000  # libwebp and libavif make room for a canvas when the file is opened


def whole_png() -> tuple[Image.Image, bytes]:
    image = Image.linear_gradient("L").resize((300, 200)).convert("RGB")
    return image, encoded(image, "PNG")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-12],
        lambda data: data[:-5],
        lambda data: data[:-12] + b"\0\0\1\0tEXtComment",
        lambda data: data[:-12] + chunk(b"tEXt", b"Comment\0x")[:-1] + b"?" + data[-12:-3],
        lambda data: data[:-12] + b"?" * 40,
        lambda data: data[:-14],
    ],
    ids=["no end", "half an end", "a comment cut off", "a damaged comment", "garbage", "the last checksum cut off"],
)
def test_a_png_that_is_damaged_only_at_its_end_is_accepted(spoil: Callable[[bytes], bytes]) -> None:
    image, data = whole_png()
    assert difference(widest(spoil(data)), image) < 4


def test_the_orientation_behind_the_pixels_survives_a_lost_end() -> None:
    image, data = whole_png()
    late = data[:-12] + chunk(b"eXIf", exif_orientation(6).tobytes().removeprefix(b"Exif\0\0"))
    assert widest(late).size == image.size[::-1]


@pytest.mark.parametrize("lost", [60, 200, 2000])
def test_a_png_whose_pixels_are_not_all_there_is_refused(lost: int) -> None:
    data = encoded(Image.effect_noise((300, 200), 80), "PNG")
    with pytest.raises(BadPicture, match=r"^truncated: "):
        variants(data[:-lost])


def test_a_webp_gives_its_decoder_back_before_the_picture_is_made() -> None:
    out = BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "WEBP")
    assert widest(out.getvalue()).size == (640, 480)
