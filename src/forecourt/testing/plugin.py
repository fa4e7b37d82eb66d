"""Fixtures that pytest finds in every suite beside which Forecourt is installed. Imports nothing of
it until one is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from forecourt.testing import FakeQueue


@pytest.fixture(name="fake_queue")
def _fake_queue() -> "Iterator[FakeQueue]":
    """While the test runs, whatever it dispatches is recorded instead of entered. No database is
    touched.
    """
    from forecourt.testing import fake_queue

    with fake_queue() as fake:
        yield fake


@pytest.fixture(name="run_as_inline")
def _run_as_inline() -> Iterator[None]:
    """While the test runs, whatever it dispatches runs at once."""
    from forecourt.testing import run_as_inline

    with run_as_inline():
        yield
