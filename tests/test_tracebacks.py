"""A traceback begins with the application's code, and can leave out what libraries did in it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from forecourt import tracebacks


def caught(function: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as found:
        function()
    error = found.value
    return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)


def as_module(name: str, function: Callable[[], object]) -> Callable[[], object]:
    """Calls it from a module of that name, over two frames."""
    there: dict[str, Any] = {"__name__": name}
    exec("def inner(then):\n    then()\n\ndef outer(then):\n    inner(then)", there)
    return lambda: there["outer"](function)


def theirs() -> None:
    json.loads("{")


def test_frames_of_the_engine_that_lead_to_the_application_are_counted_and_left_out() -> None:
    error = caught(as_module("forecourt.slots.executor", theirs))
    error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)  # not the lambda here
    text = tracebacks.of(error)
    assert text.splitlines()[1] == "  (2 frames of forecourt left out)"
    assert "in theirs" in text.splitlines()[2]
    assert text.rstrip().endswith("(char 1)")


def test_frames_of_the_marketplace_and_of_what_only_the_engine_did_stay() -> None:
    for name in ("forecourt.marketplace.sitemap", "forecourts.jobs"):
        assert "left out" not in tracebacks.of(caught(as_module(name, theirs))), name
    there: dict[str, Any] = {"__name__": "forecourt.jobs.results"}
    exec("def alone():\n    raise KeyError", there)
    error = caught(there["alone"])
    assert "in alone" in tracebacks.of(error)
    assert "left out" not in tracebacks.of(error)


def test_an_error_that_came_of_another_tells_of_both() -> None:
    def twice() -> None:
        try:
            theirs()
        except ValueError as error:
            raise KeyError("again") from error

    text = tracebacks.of(caught(twice))
    assert text.count("Traceback (most recent call last)") == 2
    shown = tracebacks.without_libraries(text)
    assert shown.text.count("Traceback (most recent call last)") == 2
    assert shown.left_out == 3


def test_frames_of_libraries_are_left_out_unless_there_are_no_others() -> None:
    shown = tracebacks.without_libraries(tracebacks.of(caught(theirs)))
    assert shown.left_out == 3
    assert "in theirs" in shown.text
    assert "decoder.py" not in shown.text
    assert 'json.loads("{")' in shown.text, "a frame keeps the line of its source"
    assert shown.text.endswith("(char 1)")
    only = 'Traceback (most recent call last):\n  File "/x/lib/python3.13/site-packages/a/b.py", line 1, in f\n    g()\nE: x'
    assert tracebacks.without_libraries(only) == (only, 0)
    mixed = only.replace("E: x", '  File "/srv/forecourt/jobs/mail.py", line 1, in send\nE: x')
    assert tracebacks.without_libraries(mixed).left_out == 1
    installed = only.replace("a/b.py", "forecourt/marketplace/sitemap.py")
    assert tracebacks.without_libraries(installed + '\n  File "/x/y.py", line 1, in f').left_out == 0
    assert tracebacks.without_libraries("") == ("", 0)
