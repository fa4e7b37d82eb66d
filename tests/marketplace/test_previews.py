"""Promises of what comes with a photo: a picture for links, a placeholder, a watermark and a hook,
and where else it is shown.
"""

from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from showroom import ago, listing, notifications, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.cli import forecourt
from forecourt.database import engine
from forecourt.marketplace import photos
from forecourt.marketplace.fingerprints import dhash, thumbhash
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.pictures import make
from forecourt.marketplace.retouching import CannotRetouch
from forecourt.marketplace.trash import cleanup_soft_deleted
from forecourt.marketplace.twins import Twin, twins
from forecourt.settings import settings

PHOTOS = Path(__file__).parents[1] / "photos"
FLOWER = (PHOTOS / "flower.jpg").read_bytes()


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    out = BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def flower(size: tuple[int, int]) -> Image.Image:
    with Image.open(BytesIO(FLOWER)) as source:
        return source.convert("RGB").resize(size)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((2400, 1800), (1200, 630)), ((900, 3000), (900, 472)), ((1600, 400), (762, 400)), ((64, 48), (64, 34))],
)
def test_a_photo_s_picture_for_links_has_their_shape_and_is_never_enlarged(
    empty_var: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    made = make(jpeg(flower(size))).preview
    shown = opened(made.content)
    assert (shown.format, shown.size, (made.width, made.height)) == ("JPEG", expected, expected)
    assert not {"exif", "icc_profile", "comment", "xmp"} & set(shown.info)


def test_the_placeholder_is_what_the_reference_implementation_makes(empty_var: Path) -> None:
    """These texts are what thumbhash 0.1.1 for JavaScript gave for the same 32 pixels."""
    with Image.open(BytesIO(FLOWER)) as source:
        picture = source.convert("RGB")
    assert thumbhash(picture) == "3OgFDYJf5kiYh3eMi4NpN4pboAg5"
    assert thumbhash(picture.crop((100, 0, 300, 360))) == PORTRAIT
    assert len(b64decode(make(FLOWER).thumbhash)) < 30


PORTRAIT = "3ugFDAQ0jGhnj3u8kRu7hVBWCA=="


def test_two_photos_of_one_picture_have_nearly_one_hash(empty_var: Path) -> None:
    picture = flower((1600, 1200))
    same = [picture.resize((640, 480)), opened(jpeg(picture, 40)), picture.crop((8, 8, 1592, 1192))]
    other = opened((PHOTOS / "flower2.jpg").read_bytes())

    def distance(a: Image.Image, b: Image.Image) -> int:
        return ((dhash(a) ^ dhash(b)) & (1 << 64) - 1).bit_count()

    assert all(distance(picture, each) <= 4 for each in same)
    assert distance(picture, other) > 15
    narrow, wide = (make(jpeg(picture), widths) for widths in ((1600, 16), (1600,)))
    assert narrow.dhash == wide.dhash, "the hash tells how wide the variants are"
    assert narrow.thumbhash == wide.thumbhash


def test_a_photo_that_is_on_another_listing_is_a_finding_until_somebody_looked(session: Session) -> None:
    mine, other, third = listing(session), listing(session), listing(session)
    session.commit()

    def publish(car_id: int, *pictures: bytes, add: bool = False) -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return process_car_images(own, [b64encode(each).decode() for each in pictures], car_id, add)

    plain = jpeg(Image.new("RGB", (640, 480), "white"))
    assert "twins" not in publish(mine.id, FLOWER, plain, FLOWER)
    assert "twins" not in publish(other.id, (PHOTOS / "flower2.jpg").read_bytes(), plain)
    assert publish(third.id, jpeg(flower((400, 300)), 60))["twins"] == 1
    [found] = twins(session)
    assert isinstance(found, Twin)
    assert (found.listing_id, found.other_listing_id, found.same_owner) == (third.id, mine.id, False)
    session.rollback()

    def typed(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(forecourt, ["photos", *words])
        return done.exit_code, done.output or repr(done.exception)

    shown = typed("twins")[1].splitlines()[-1].split()
    assert (shown[0], shown[1], "another" in shown) == (str(found.id), str(third.id), True)
    assert typed("settle", str(found.id), str(found.id + 1)) == (0, f"Settled: {found.id}.\n")
    assert twins(session) == []
    assert [each.listing_id for each in twins(session, also_settled=True)] == [third.id]
    assert "none of these is an open finding" in typed("settle", str(found.id))[1]


def test_what_is_noted_of_photos_goes_with_the_listing_whoever_deletes_it(session: Session) -> None:
    gone, trashed, stays, new = (listing(session) for _ in range(4))
    session.commit()

    def publish(car_id: int) -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return process_car_images(own, [b64encode(FLOWER).decode()], car_id)

    def noted() -> tuple[list[int], list[tuple[int, int]]]:
        hashed = session.scalars(text("SELECT car_listing_id FROM photo_hashes ORDER BY 1")).all()
        found = session.execute(text("SELECT car_listing_id, other_listing_id FROM photo_twins ORDER BY 1, 2"))
        return list(hashed), [(one, other) for one, other in found]

    for car in (gone, trashed, stays):
        publish(car.id)
    assert noted()[1] == [(trashed.id, gone.id), (stays.id, gone.id), (stays.id, trashed.id)]
    session.execute(text("DELETE FROM car_listings WHERE id = :id"), {"id": gone.id})
    with ThreadPoolExecutor() as pool:  # who finds a twin of one that is just going waits, and has none
        published = pool.submit(publish, new.id)
        wait_until_blocked()
        session.commit()
        assert published.result(30)["twins"] == 2
    assert noted()[1] == [(stays.id, trashed.id), (new.id, trashed.id), (new.id, stays.id)]
    trashed.deleted_at = ago(session, "31 days")
    session.flush()
    cleanup_soft_deleted(session=session)
    assert noted() == ([stays.id, new.id], [(new.id, stays.id)])


def test_photos_are_added_behind_those_that_a_listing_has_up_to_its_limit(session: Session) -> None:
    car = listing(session)
    session.commit()
    colours = ["teal", "red", "green"]
    for number, colour in enumerate(colours):
        with Session(engine()) as own, own.begin():
            image = b64encode(jpeg(Image.new("RGB", (64, 48), colour))).decode()
            process_car_images(own, [image], car.id, number > 0)
    session.refresh(car)
    storage = Folder(settings().storage)
    shown = [opened(storage.read(photo["key"])).convert("RGB").getpixel((5, 5)) for photo in car.photos]
    assert [max(range(3), key=colour.__getitem__) for colour in shown] == [1, 0, 1]
    session.execute(text("INSERT INTO business_settings (name, value) VALUES ('photos_most', '3')"))
    session.commit()
    with Session(engine()) as own, pytest.raises(photos.BadUpload, match="photo 1 of 1: the listing has 3 photos"):
        process_car_images(own, [image], car.id, True)
    assert notifications(session)[0].data["refused"] == [{"position": 1, "code": "too_many"}]


def test_the_good_ones_of_a_set_are_taken_when_that_is_the_policy_and_the_owner_is_told(
    session: Session,
) -> None:
    car = listing(session)
    session.execute(text("INSERT INTO business_settings (name, value) VALUES ('photo_sets', 'good')"))
    session.commit()
    images = [b64encode(each).decode() for each in (FLOWER, FLOWER[:9000], jpeg(Image.new("RGB", (64, 48))))]
    with Session(engine()) as own, own.begin():
        counts = process_car_images(own, images, car.id)
    assert (counts["photos"], counts["refused"]) == (2, 1)
    session.refresh(car)
    assert len(car.photos) == 2
    [notice] = notifications(session)
    assert notice.data["refused"] == [{"position": 2, "code": "truncated"}]
    assert (notice.data["total"], notice.data["accepted"]) == (3, 2)
    with Session(engine()) as own, pytest.raises(photos.BadPhotos):
        process_car_images(own, images[1:2], car.id)


@pytest.fixture
def retouched(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


def test_a_watermark_lies_in_the_lower_right_corner_of_large_pictures_only(
    retouched: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grey = jpeg(Image.new("RGB", (1600, 1200), (128, 128, 128)))
    before = make(grey)
    mark = Image.new("RGBA", (100, 40), (255, 0, 0, 255))
    mark.save(tmp_path / "mark.png")
    retouched.setenv("FORECOURT_WATERMARK", str(tmp_path / "mark.png"))
    settings.cache_clear()
    after = make(grey)
    assert {v.key for v in before.variants}.isdisjoint(v.key for v in after.variants)  # published ones stay as they are
    large, small = opened(after.variants[0].content), opened(after.variants[-1].content)
    assert large.getpixel((1500, 1120))[0] > 200
    assert max(large.getpixel((100, 100))) < 140
    assert max(small.convert("RGB").getpixel((375, 280))) < 140
    assert opened(after.preview.content).getpixel((1100, 560))[0] > 200
    assert after.dhash == before.dhash


def test_a_hook_changes_every_published_picture_and_one_that_will_not_do_says_so(
    retouched: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plates.py").write_text(
        "from PIL import Image\n"
        "def blurred(picture):\n"
        "    picture.paste((0, 0, 255), (0, 0, picture.width // 2, picture.height))\n"
        "    return picture\n"
        "def smaller(picture):\n"
        "    return picture.resize((8, 8))\n"
    )
    retouched.syspath_prepend(str(tmp_path))

    def hooked(name: str) -> Image.Image:
        retouched.setenv("FORECOURT_PHOTO_HOOK", name)
        settings.cache_clear()
        return opened(make(jpeg(Image.new("RGB", (800, 600), "white"))).variants[0].content)

    assert hooked("plates:blurred").convert("RGB").getpixel((10, 10))[2] > 200
    assert min(hooked("plates:blurred").convert("RGB").getpixel((790, 10))) > 240
    with pytest.raises(CannotRetouch, match="a picture of the same size"):
        hooked("plates:smaller")
    with pytest.raises(CannotRetouch, match="expected module:function"):
        hooked("plates:nothing")
    retouched.setenv("FORECOURT_WATERMARK", "nowhere.png")
    with pytest.raises(CannotRetouch, match=r"nowhere\.png: No such file"):
        hooked("plates:blurred")
