"""A real browser, Debian's Chromium, before a real server. Where there is none, the tests say how
to get it.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from scene import set_scene

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Not for longer than a module: while it lives, this thread has an event loop, and
    other tests begin their own.
    """
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def house(database: str, web_address: str) -> str:
    """The address of a server in the middle of a night."""
    with psycopg.connect(database) as tx:
        set_scene(tx)
    return web_address


@pytest.fixture
def looking_at(chromium: Any, house: str) -> Callable[..., Any]:
    """Opens pages: `with looking_at(width=360, dark=True) as page`. At the end of the block nothing
    may have gone wrong in it.

    `page.emulate_media` and `page.set_viewport_size` look at the same page by another light and at
    another width, which costs less than to open it again.
    """

    @contextmanager
    def look(
        *, width: int = 1280, dark: bool = False, script: bool = True, language: str = "en", zone: str = "UTC"
    ) -> Iterator[Any]:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            is_mobile=width < 500,
            base_url=house,
            locale=language,
            timezone_id=zone,
        )
        said: list[str] = []
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        context.close()
        assert said == []

    return look
