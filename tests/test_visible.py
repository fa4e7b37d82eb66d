"""What came from outside is read on a terminal, and does nothing there."""

import json
import logging

import pytest

from forecourt.logs import JsonLines, Plain
from forecourt.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("\x9b31mred\x85", r"\x9b31mred\x85"),
        ("left\u202eright", r"left\u202eright"),
        ("a\rb\x08c\x7f\x00", r"a\rb\x08c\x7f\x00"),
        ("odd \ud800", r"odd \ud800"),
        ("lines\n\tand tabs, عربي, می‌خواهم, 👩‍🔧", "lines\n\tand tabs, عربي, می‌خواهم, 👩‍🔧"),
    ],
)
def test_what_would_act_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_so_it_is_in_the_log() -> None:
    record = logging.makeLogRecord({"msg": "it said %s", "levelno": logging.INFO, "args": ("\x1b[2J",), "job": "\x9b"})
    assert Plain().format(record).endswith(r"it said \x1b[2J  job=\x9b")


def test_a_line_that_the_fast_library_refuses_comes_all_the_same() -> None:
    record = logging.makeLogRecord({"msg": "odd \udc80", "levelname": "INFO", "large": 2**70})
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["large"]) == ("odd \udc80", 2**70)
