"""Takes the pictures of the pages in docs/pages: the tests' scene, a marketplace in the middle of
its night, on a PostgreSQL of its own, in Chromium; and of the demo's report. `make pictures` runs
it, after the look of one has changed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

from forecourt.database.engine import engine, forget_engine, libpq_url
from forecourt.database.schema import upgrade
from scene import set_scene
from serving import served

FOLDER = Path(__file__).parent.parent / "pages"

COLUMNS = 112
"""Of the terminal on which the demo's report is shown."""

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


def report() -> None:
    """Run the demo in an empty folder, and keep the report that it ends with as a terminal shows
    it."""
    commands = Path(sys.executable).parent
    with TemporaryDirectory() as folder:
        demo = subprocess.run(
            [commands / "forecourt", "demo"],
            cwd=folder,
            env={
                "PATH": f"{commands}:/usr/bin:/bin",
                "HOME": folder,
                "FORECOURT_VAR": "var",
                "COLUMNS": str(COLUMNS),
                "FORCE_COLOR": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    told = re.sub(rf"{re.escape(folder)}/(\S*)", lambda found: found[1].ljust(len(found[0])), demo.stdout)
    terminal = Console(record=True, width=COLUMNS, file=StringIO(), color_system="standard", force_terminal=True)
    terminal.print(Text.from_ansi(told[told.rindex("\n", 0, told.index(": the tasks")) :].lstrip("\n")))
    terminal.save_svg(str(FOLDER.parent / "demo.svg"), title="make demo", unique_id="demo")


def main() -> None:
    """Take them all."""
    report()
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
