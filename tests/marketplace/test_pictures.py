"""Promises of the photo pipeline: upright, sRGB, only pixels, three widths; or a refusal for good
that says why.
"""

import pickle
import random
import re
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageStat

from forecourt.marketplace.folder import Folder
from forecourt.marketplace.pictures import BadPicture, process, variants
from forecourt.marketplace.storage import NotStoredError
from forecourt.marketplace.uploads import MAX_UPLOAD_BYTES, BadUpload

PHOTOS = Path(__file__).parent.parent / "photos"
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
Point = tuple[int, int, int]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **({"quality": 95} | options))
    return out.getvalue()


def widest(data: bytes) -> Image.Image:
    return Image.open(BytesIO(variants(data)[0].content))


def pixel(image: Image.Image, x: int, y: int) -> Point:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return int(found[0]), int(found[1]), int(found[2])


def close(found: Point, expected: Point, tolerance: int = 8) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(found, expected, strict=True))


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG made by hand, for the sorts that Pillow doesn't write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def exif_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    return exif


def in_a_process_of_its_own(data: bytes) -> tuple[str, int]:
    """What `variants` answers there, and by how many kilobytes that process grew."""
    program = (
        "import re, sys; from forecourt.marketplace.pictures import BadPicture, variants\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "data = sys.stdin.buffer.read()\n"
        "before = peak()\n"
        "try: print([v.width for v in variants(data)])\n"
        "except BadPicture as bad: print(bad)\n"
        "print(peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    answer, kilobytes = run.stdout.decode().splitlines()
    return answer, int(kilobytes)


# --- real photos
# --------------------------------------------------------------------------------------------------


GOOD = [
    "exif.avif",
    "exif.png",
    "flower.jpg",
    "flower2.jpg",
    "hopper.webp",
    "hopper_orientation_2.jpg",
    "hopper_orientation_3.jpg",
    "hopper_orientation_4.jpg",
    "hopper_orientation_5.jpg",
    "hopper_orientation_6.webp",
    "invalid-exif.jpg",
    "photoshop-200dpi.jpg",
    "pil_sample_cmyk.jpg",
    "sugarshack.mpo",
]
BAD = {
    "truncated_jpeg.jpg": "truncated: .*image file is truncated",
    "truncated_image.png": "truncated: .*image file is truncated",
    "broken_data_stream.png": "broken: .*unrecognized data stream",
    "png_decompression_dos.png": "too_large: a compressed block of this PNG unpacks to more than 1 MB",
    "decompression_bomb.gif": "unsupported_format: GIF is not accepted; send JPEG, PNG, WebP, AVIF or HEIC",
    "exif_gps.jpg": "too_small: 8 x 8 px; at least 32 px a side",
    "xmp_padded.jpg": "too_small: 1 x 1 px; at least 32 px a side",
    "16bit.cropped.tif": "unsupported_format: TIFF is not accepted; send JPEG, PNG, WebP, AVIF or HEIC",
}


def test_every_photo_of_the_collection_has_its_promise() -> None:
    assert {path.name for path in PHOTOS.iterdir()} == {*GOOD, *BAD, "README.md"}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_photo_becomes_clean_webp(name: str) -> None:
    data = (PHOTOS / name).read_bytes()
    with Image.open(BytesIO(data)) as original:
        width, height = original.size
    made = variants(data)
    assert [v.width for v in made] == sorted({min(width, limit) for limit in (1600, 800, 400)}, reverse=True)
    assert made[0].height == height
    for variant in made:
        assert_only_pixels(variant.content)
        with Image.open(BytesIO(variant.content)) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (variant.width, variant.height))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_photo_is_refused_for_good_with_its_reason(name: str) -> None:
    with pytest.raises(BadPicture, match=f"^{BAD[name]}"):
        variants((PHOTOS / name).read_bytes())


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("hopper_orientation")])
def test_a_real_photo_comes_out_upright(name: str) -> None:
    upright = Image.open(PHOTOS / "hopper.webp")
    assert difference(widest((PHOTOS / name).read_bytes()), upright) < 8  # two lossy encodings apart
    assert difference(Image.open(PHOTOS / name), upright) > 60


def test_a_two_picture_photo_gives_its_first_picture() -> None:
    data = (PHOTOS / "sugarshack.mpo").read_bytes()
    with Image.open(BytesIO(data)) as both:
        first = both.convert("RGB")
    assert difference(widest(data), first) < 6


# --- upright
# --------------------------------------------------------------------------------------------------


CORNERS = {(5, 5): (200, 30, 30), (54, 5): (30, 160, 30), (5, 34): (30, 30, 200), (54, 34): (220, 220, 40)}
UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def four_corners() -> Image.Image:
    image = Image.new("RGB", (60, 40))
    for (x, y), colour in CORNERS.items():
        image.paste(colour, (x // 30 * 30, y // 20 * 20, x // 30 * 30 + 30, y // 20 * 20 + 20))
    return image


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_each_format_comes_out_upright(kind: str, orientation: int) -> None:
    image = four_corners()
    stored = image.transpose(UNDO[orientation]) if orientation in UNDO else image
    upright = widest(encoded(stored, kind, exif=exif_orientation(orientation)))
    assert upright.size == (60, 40)
    for place, colour in CORNERS.items():
        assert close(pixel(upright, *place), colour, 16)


def test_an_orientation_behind_the_pixels_of_a_png_counts() -> None:
    data = encoded(four_corners().transpose(UNDO[6]), "PNG")
    end = chunk(b"IEND", b"")
    late = data.removesuffix(end) + chunk(b"eXIf", exif_orientation(6).tobytes().removeprefix(b"Exif\0\0")) + end
    assert widest(late).size == (60, 40)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0no tiff at all",
        b"Exif\0\0II*\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
    ],
)
def test_broken_metadata_around_a_good_picture_is_no_reason_to_refuse(exif: bytes) -> None:
    data = encoded(four_corners(), "JPEG")
    upright = widest(data[:2] + segment(0xE1, exif) + data[2:])
    for place, colour in CORNERS.items():
        assert close(pixel(upright, *place), colour, 16)


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    order=st.sampled_from("<>"),
    entries=st.lists(
        st.tuples(
            st.sampled_from([0x010F, 0x0112, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825]),
            st.integers(0, 13),
            st.sampled_from([0, 1, 2, 5, 2**31]),
            st.sampled_from([0, 1, 8, 20, 60, 2**31]),
        ),
        max_size=5,
    ),
    tail=st.binary(max_size=60),
)
def test_no_exif_block_whatsoever_is_a_reason_to_refuse(
    order: str, entries: list[tuple[int, int, int, int]], tail: bytes
) -> None:
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    tiff += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries) + tail
    data = encoded(Image.new("RGB", (32, 32), "red"), "JPEG")
    jfif = 20  # Pillow looks for the resolution in EXIF when there is no JFIF header
    assert variants(data[:2] + segment(0xE1, b"Exif\0\0" + tiff) + data[jfif:])


# --- only pixels
# --------------------------------------------------------------------------------------------------


def assert_only_pixels(webp: bytes) -> None:
    """A simple WebP file is one chunk of pixels: there is no room for anything else, before, inside
    or behind.
    """
    assert webp[:4] + webp[8:16] == b"RIFFWEBPVP8 "
    (length,) = struct.unpack_from("<I", webp, 16)
    assert len(webp) == 20 + length + length % 2 == 8 + struct.unpack_from("<I", webp, 4)[0]
    assert b"secret" not in webp.lower()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def exif_with_thumbnail() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "secret-maker"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = b"secret-gps"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = b"secret-maker-note"
    block = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    thumbnail = encoded(Image.new("RGB", (16, 16), "red"), "JPEG", comment=b"secret-thumbnail")
    order = "<" if block[:2] == b"II" else ">"
    next_ifd = 10 + 12 * struct.unpack_from(f"{order}H", block, 8)[0]
    struct.pack_into(f"{order}I", block, next_ifd, len(block))
    entries = [(0x0103, 3, 6), (0x0201, 4, len(block) + 2 + 36 + 4), (0x0202, 4, len(thumbnail))]
    block += struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        block += struct.pack(f"{order}HHI" + ("H2x" if kind == 3 else "I"), tag, kind, 1, value)
    return b"Exif\0\0" + bytes(block) + bytes(4) + thumbnail


def planted(kind: str) -> tuple[bytes, set[bytes]]:
    """A photo with a secret in every place that its format has, and those secrets."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) + b"secret-icc"
    profile[:4] = struct.pack(">I", len(profile))
    exif, xmp = exif_with_thumbnail(), b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret-xmp</x:xmpmeta>"
    secrets = {b"secret-maker", b"secret-gps", b"secret-maker-note", b"secret-thumbnail", b"secret-tail"}
    image = four_corners()
    common = {"exif": exif, "icc_profile": bytes(profile)}
    if kind == "JPEG":
        data = encoded(image, "MPO", save_all=True, append_images=[image], comment=b"secret-comment", xmp=xmp, **common)
        second = data.rindex(b"\xff\xd8\xff") + 2
        data = data[:second] + segment(0xFE, b"secret-second") + data[second:]
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x78\0\x0bsecret-iptc"
        data = data[:2] + segment(0xED, iptc) + data[2:]
        secrets |= {b"secret-icc", b"secret-xmp", b"secret-comment", b"secret-iptc", b"secret-second", b"MPF\0"}
    elif kind == "PNG":
        data = encoded(image, kind, **common)
        end = chunk(b"IEND", b"")
        texts = chunk(b"tEXt", b"Comment\0secret-text") + chunk(b"tIME", b"secret-")
        texts += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + chunk(b"prVt", b"secret-private")
        data = data.removesuffix(end) + texts + end
        secrets |= {b"secret-text", b"secret-xmp", b"secret-private"}
    else:
        data = encoded(image, kind, xmp=xmp, **common)
        secrets |= {b"secret-icc", b"secret-xmp"}
    return data + b"<?php secret-tail ?>", secrets


@pytest.mark.parametrize("kind", FORMATS)
def test_no_metadata_survives(kind: str) -> None:
    data, secrets = planted(kind)
    for secret in secrets:
        assert secret in data
    for variant in variants(data):
        assert_only_pixels(variant.content)


def test_the_planted_thumbnail_is_one_that_readers_find() -> None:
    found = Image.Exif()
    found.load(exif_with_thumbnail())
    assert found.get_ifd(ExifTags.IFD.IFD1)[0x0103] == 6


# --- sRGB
# --------------------------------------------------------------------------------------------------


def s15(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def icc(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 4.2."""
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(body), 0x04200000, kind, space, connection, b"acsp")
    return head + s15(0.9642, 1.0, 0.8249) + bytes(48) + table + body


def display_p3(*gamma: float) -> bytes:
    """What an iPhone embeds: the P3 primaries with sRGB's curve, or with a plain gamma."""
    curve = b"para" + struct.pack(">IHH", 0, 3, 0) + s15(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if gamma:
        curve = b"para" + struct.pack(">IHH", 0, 0, 0) + s15(*gamma)
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + s15(0.51512, 0.24120, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + s15(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + s15(0.15710, 0.06657, 0.78407),
    }
    return icc(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def pale_press() -> bytes:
    """A CMYK press whose full black ink is a middle grey (L* = 50) and whose other inks show as
    paper.
    """
    ramp = bytes(range(256))
    grid = b"".join(bytes([128 if corner & 1 else 255, 128, 128]) for corner in range(16))
    matrix = s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + grid + ramp * 3
    return icc(b"prtr", b"CMYK", b"Lab ", {b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1, 0.8249), b"A2B0": table})


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("in_p3", "in_srgb"), [((234, 51, 35), (255, 0, 0)), ((117, 251, 76), (0, 255, 0)), ((200, 200, 200),) * 2]
)
def test_a_phones_wide_colours_come_out_as_the_same_colours_in_srgb(kind: str, in_p3: Point, in_srgb: Point) -> None:
    data = encoded(Image.new("RGB", (64, 64), in_p3), kind, icc_profile=display_p3())
    assert close(pixel(widest(data), 32, 32), in_srgb, 16)


def test_cmyk_follows_its_profile() -> None:
    black = Image.new("CMYK", (64, 64), (0, 0, 0, 255))
    assert close(pixel(widest(encoded(black, "JPEG", icc_profile=pale_press())), 32, 32), (119, 119, 119), 6)
    assert close(pixel(widest(encoded(black, "JPEG")), 32, 32), (0, 0, 0))


def test_a_grey_photo_follows_its_colour_profile() -> None:
    data = encoded(Image.new("L", (64, 64), 140), "JPEG", icc_profile=display_p3(1.8))
    assert close(pixel(widest(data), 32, 32), (158, 158, 158), 3)


@pytest.mark.parametrize(
    "profile", [b"not a profile", display_p3()[:200], pale_press(), display_p3()[:128] + b"\xff" * 99]
)
def test_a_profile_that_is_broken_or_of_another_colour_space_is_ignored(profile: bytes) -> None:
    data = encoded(Image.new("RGB", (64, 64), (234, 51, 35)), "JPEG", icc_profile=profile)
    assert close(pixel(widest(data), 32, 32), (234, 51, 35))


def test_a_colour_profile_on_a_cmyk_photo_is_ignored() -> None:
    data = encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", icc_profile=display_p3())
    assert close(pixel(widest(data), 32, 32), (255, 0, 0), 10)


# --- what pixels may be
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_what_is_transparent_turns_white(kind: str) -> None:
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (32, 0, 64, 64))
    image.paste((0, 0, 0, 128), (0, 0, 32, 32))
    found = widest(encoded(image, kind))
    assert close(pixel(found, 48, 32), (255, 255, 255))
    assert close(pixel(found, 16, 16), (127, 127, 127))
    assert close(pixel(found, 16, 48), (200, 0, 0), 12)


@pytest.mark.parametrize("transparency", [1, b"\xff\0"])
def test_a_transparent_palette_colour_turns_white(transparency: int | bytes) -> None:
    image = Image.new("P", (64, 64), 0)
    image.putpalette([200, 0, 0, 0, 0, 0])
    image.paste(1, (32, 0, 64, 64))
    found = widest(encoded(image, "PNG", transparency=transparency))
    assert close(pixel(found, 48, 32), (255, 255, 255))
    assert close(pixel(found, 16, 32), (200, 0, 0), 12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_every_mode_of_png_comes_out_as_it_looks(mode: str) -> None:
    image = Image.linear_gradient("L").convert(mode)
    assert difference(widest(encoded(image, "PNG")), image) < 4


def test_16_bit_grey_keeps_its_tones() -> None:
    ramp = Image.linear_gradient("L")
    rows = b"".join(b"\0" + struct.pack(">256H", *[level * 256 + 255 - level] * 256) for level in range(256))
    found = widest(png(256, 256, 16, 0, rows))
    assert difference(found, ramp) < 3


def test_16_bit_colour_keeps_its_tones() -> None:
    rows = (b"\0" + struct.pack(">3H", 200 * 257, 100 * 257, 50 * 257) * 64) * 64
    assert close(pixel(widest(png(64, 64, 16, 2, rows)), 32, 32), (200, 100, 50))


# --- widths and keys
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), [(1600, 1200), (800, 600), (400, 300)]),
        ((1601, 900), [(1600, 899), (800, 450), (400, 225)]),
        ((1600, 900), [(1600, 900), (800, 450), (400, 225)]),
        ((1000, 3000), [(1000, 3000), (800, 2400), (400, 1200)]),
        ((400, 300), [(400, 300)]),
        ((32, 32), [(32, 32)]),
        ((16000, 32), [(1600, 3), (800, 2), (400, 1)]),
        ((32, 16000), [(32, 16000)]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_is_scaled_down_never_up(kind: str, size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    made = variants(encoded(Image.new("RGB", size, "teal"), kind))
    assert [(v.width, v.height) for v in made] == expected


def test_widths_are_those_of_the_upright_photo() -> None:
    data = encoded(Image.new("RGB", (4000, 3000), "teal"), "JPEG", exif=exif_orientation(6))
    assert [(v.width, v.height) for v in variants(data)] == [(1600, 2133), (800, 1067), (400, 533)]


def test_fine_detail_survives_when_a_large_jpeg_is_turned_upright() -> None:
    """Asked for 1600 of its stored 4000 px, Pillow would decode at half size: too little for 1700
    upright.
    """
    stripes = Image.new("L", (4000, 1700), 255)
    for y in range(0, 1700, 3):
        stripes.paste(0, (0, y, 4000, y + 1))
    upright = widest(encoded(stripes, "JPEG", exif=exif_orientation(6)))
    assert upright.size == (1600, 3765)
    assert ImageStat.Stat(upright.convert("L")).stddev[0] > 75  # 93 as it should be, 57 decoded at half size


def test_a_48_megapixel_jpeg_is_decoded_in_a_fraction_of_its_memory() -> None:
    data = encoded(Image.new("RGB", (8000, 6000), "teal"), "JPEG")
    answer, kilobytes = in_a_process_of_its_own(data)
    assert answer == "[1600, 800, 400]"
    assert kilobytes < 45_000  # 190 MB decoded in full, 65 MB when asked for a square


def test_keys_name_recipe_and_content() -> None:
    flower = (PHOTOS / "flower.jpg").read_bytes()
    keys = [v.key for v in variants(flower)]
    name = re.fullmatch(r"photos/(..)/(..)/([0-9a-f]{32})-480\.webp", keys[0])
    assert name is not None
    assert name[3].startswith(name[1] + name[2])
    assert keys[1] == keys[0].replace("-480", "-400")
    assert variants(flower + b"\0")[0].key != keys[0]


def test_the_same_photo_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import sys, hashlib; from forecourt.marketplace.pictures import variants\n"
        "for v in variants(sys.stdin.buffer.read()): print(v.key, hashlib.sha256(v.content).hexdigest())"
    )
    data = (PHOTOS / "flower2.jpg").read_bytes()
    runs = {subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True).stdout}
    runs |= {subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True).stdout}
    assert len(runs) == 1
    assert variants(data) == variants(data)


# --- refusals
# --------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """625 megapixels in 76 KB."""
    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(3126 * 1000)) for _ in range(25)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", 25_000, 25_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    data = bomb()
    assert len(data) < 77_000
    answer, kilobytes = in_a_process_of_its_own(data)
    assert answer == "too_large: 625 MP (25000 x 25000); at most 65 MP"
    assert kilobytes < 10_000


def lying_jpeg() -> bytes:
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


def wide_webp(side: int) -> bytes:
    pixels = encoded(Image.new("RGB", (16, 16)), "WEBP")[12:]
    frame = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4) + pixels
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: the file has no bytes"),
        (b"\xff\xd8\xff" + bytes(MAX_UPLOAD_BYTES), r"too_large: 20\.000003 MB; at most 20 MB"),
        (png(16_001, 32, 1, 0, bytes(10)), "too_large: 16001 x 32 px; at most 16000 px a side"),
        (png(8063, 8063, 1, 0, bytes(10)), r"too_large: 65\.01 MP \(8063 x 8063\); at most 65 MP"),
        (png(31, 4000, 1, 0, bytes(10)), "too_small: 31 x 4000 px; at least 32 px a side"),
        (lying_jpeg(), "too_large: 4225 MP"),
        (wide_webp(10_000), "too_large: 100 MP"),
        (wide_webp(16_000), "too_large: "),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)), "broken: "),
        (b"\xff\xd8\xff\xe0", "(truncated|broken): "),
        (b"RIFF\xff\xff\0\0WEBPVP8 ", "truncated: the WebP file is shorter than it says"),
        (b"RIFF\x08\0\0\0WEBPVP8 ", "broken: "),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "(truncated|broken): "),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "broken: the HEIC file cannot be decoded"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "unsupported_format: video is not accepted"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format: SVG or HTML"),
        (b"%PDF-1.7", "unsupported_format: PDF"),
        (b"BM" + bytes(60), "unsupported_format: BMP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported_format: this file type"),
        (b"x", "unsupported_format: this file type"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_stable_code(data: bytes, reason: str) -> None:
    with pytest.raises(BadPicture, match=f"^{reason}"):
        variants(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    with pytest.raises(BadPicture, match=r"^animated: 3 frames; send a still picture"):
        variants(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100))


@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    ("kind", "width"),  # from 3200 px on, a JPEG is decoded at a reduced size
    [*((kind, 300) for kind in FORMATS), ("JPEG", 3300), ("progressive JPEG", 300), ("progressive JPEG", 3300)],
)
def test_a_truncated_photo_is_refused_for_good(kind: str, width: int, part: float) -> None:
    noise = Image.effect_noise((300, 200), 80).convert("RGB").resize((width, width * 2 // 3), Image.Resampling.NEAREST)
    data = encoded(noise, kind.removeprefix("progressive "), **({"progressive": True} if " " in kind else {}))
    with pytest.raises(BadPicture, match=r"^(truncated|broken): ") as refusal:
        variants(data[: int(len(data) * part)])
    assert refusal.value.code == "truncated" or kind == "AVIF"  # libavif doesn't tell a cut file from a broken one


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(FORMATS), seed=st.integers(0, 2**32), flips=st.integers(1, 40))
def test_damaged_bytes_give_a_picture_or_a_refusal_never_another_error(kind: str, seed: int, flips: int) -> None:
    data = bytearray(planted(kind)[0])
    chance = random.Random(seed)
    for _ in range(flips):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with suppress(BadPicture):
        assert variants(bytes(data))


def test_a_refusal_is_a_bad_upload_and_survives_the_way_between_processes() -> None:
    refusal = pickle.loads(pickle.dumps(BadPicture("broken", "the PNG file cannot be decoded")))
    assert isinstance(refusal, BadUpload)
    assert (type(refusal), refusal.code, str(refusal)) == (
        BadPicture,
        "broken",
        "broken: the PNG file cannot be decoded",
    )


# --- uploads to stored photos
# --------------------------------------------------------------------------------------


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    storage = Folder(tmp_path / "storage")
    for name in ("flower.jpg", "hopper.webp", "truncated_jpeg.jpg"):
        storage.put(f"incoming/{name}", (PHOTOS / name).read_bytes())
    return storage


def test_uploads_become_stored_photos_in_their_order(storage: Folder) -> None:
    flower, hopper = process(storage, ["incoming/flower.jpg", "incoming/hopper.webp"])
    assert [(v.width, v.height) for v in flower.variants] == [(480, 360), (400, 300)]
    assert [(v.width, v.height) for v in hopper.variants] == [(128, 128)]
    for photo in (flower, hopper):
        assert photo.key == photo.variants[0].key
        for variant in photo.variants:
            assert len(storage.read(variant.key)) == variant.bytes
    assert set(storage.keys("photos/")) == {
        v.key for photo in (flower, hopper) for v in (*photo.variants, photo.preview)
    }


def test_one_bad_photo_is_named_by_its_position_and_nothing_is_stored(storage: Folder) -> None:
    before = list(storage.keys())
    with pytest.raises(BadPicture, match=r"^truncated: photo 2 of 3: the JPEG file cannot be decoded"):
        process(storage, ["incoming/flower.jpg", "incoming/truncated_jpeg.jpg", "incoming/hopper.webp"])
    assert list(storage.keys()) == before


def test_processing_again_changes_nothing(storage: Folder) -> None:
    keys = ["incoming/flower.jpg", "incoming/hopper.webp", "incoming/flower.jpg"]
    first = process(storage, keys)
    stored = {key: (storage.root / key).stat().st_mtime_ns for key in storage.keys("photos/")}
    assert process(storage, keys) == first
    assert first[0] == first[2]
    assert {key: (storage.root / key).stat().st_mtime_ns for key in storage.keys("photos/")} == stored


def test_a_crash_among_the_writes_is_made_good_by_the_next_try(storage: Folder) -> None:
    whole = process(storage, ["incoming/flower.jpg"])
    storage.delete(whole[0].variants[1].key)
    assert process(storage, ["incoming/flower.jpg"]) == whole
    assert all(storage.exists(v.key) for v in whole[0].variants)


def test_an_upload_that_is_gone_is_named(storage: Folder) -> None:
    with pytest.raises(NotStoredError, match="incoming/elsewhere"):
        process(storage, ["incoming/flower.jpg", "incoming/elsewhere"])
    assert list(storage.keys("photos/")) == []


def test_no_uploads_are_no_photos(storage: Folder) -> None:
    assert process(storage, []) == []
