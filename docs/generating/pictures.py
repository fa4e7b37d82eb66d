"""Takes the pictures of the pages in docs/pages: the tests' scene, a marketplace in the middle of
its night, on a PostgreSQL of its own, in Chromium. `make pictures` runs it, after a page's look has
changed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from forecourt.database.engine import engine, forget_engine, libpq_url
from forecourt.database.schema import upgrade
from scene import set_scene
from serving import served

FOLDER = Path(__file__).parent.parent / "pages"

ZONES = (
    "Asia/Damascus", "Europe/London", "America/New_York", "America/Los_Angeles", "Pacific/Auckland", "Asia/Tokyo",
    "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Honolulu", "Asia/Dhaka", "Australia/Sydney", "Atlantic/Azores",
    "America/Denver", "Asia/Bangkok", "Asia/Dubai", "America/Chicago", "Asia/Shanghai", "America/Anchorage",
    "Europe/Athens", "Asia/Karachi", "Pacific/Noumea", "America/Halifax", "Atlantic/South_Georgia", "Pacific/Midway",
)  # fmt: skip
"""In one of them it is night."""


class Picture(NamedTuple):
    """What is seen of a page, in pixels."""

    name: str
    path: str
    width: int
    height: int
    dark: bool = False
    language: str = "en"


@contextmanager
def house() -> Iterator[tuple[str, dict[str, int]]]:
    """A house in the middle of its night: its address, and the ids of some of its calls."""
    zone = min(ZONES, key=lambda name: abs(datetime.now(UTC).astimezone(ZoneInfo(name)).hour - 3))
    for name in [name for name in os.environ if name.startswith("FORECOURT_")]:
        del os.environ[name]
    with TemporaryDirectory() as folder:
        os.environ |= {"FORECOURT_VAR": folder, "FORECOURT_TIMEZONE": zone}
        upgrade(engine())
        with psycopg.connect(libpq_url()) as tx:
            ids = set_scene(tx)
        with served() as address:
            yield address, ids
        forget_engine()


def take(browser: Browser, address: str, picture: Picture) -> None:
    """Look at the page, and keep it in 256 colours, which is a quarter of the bytes."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.dark else "light",
        locale=picture.language,
        base_url=address,
    )
    page = context.new_page()
    page.goto(picture.path)
    taken = Image.open(BytesIO(page.screenshot()))
    taken.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{picture.name}.png", optimize=True)
    context.close()


def main() -> None:
    """Take them all."""
    with house() as (address, ids), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        call = f"/calls/{ids['failed']}"
        for picture in (
            Picture("overview", "/", 1280, 1200),
            Picture("overview-arabic", "/", 1280, 1200, language="ar"),
            Picture("night-dark", "/night", 1280, 860, dark=True),
            Picture("call-dark", call, 720, 780, dark=True),
            Picture("phone", "/", 360, 780),
        ):
            take(browser, address, picture)
        browser.close()


if __name__ == "__main__":
    main()
