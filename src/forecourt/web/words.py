"""Figures and results as people read them."""

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

BYTES = ("B", "kB", "MB", "GB", "TB")


def number(value: float) -> str:
    """1,204; 0.25."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def capped(count: int, cap: int) -> str:
    """A count that was stopped at `cap`: "100,000+" beyond it."""
    return f"{cap:,}+" if count > cap else f"{count:,}"


def some(count: int, one: str, many: str | None = None, cap: int | None = None) -> str:
    """ "1 call", "3 calls", "100,000+ calls"."""
    word = one if count == 1 else many or f"{one}s"
    return f"{count:,} {word}" if cap is None else f"{capped(count, cap)} {word}"


def size(count: float) -> str:
    """Bytes: "1.2 MB"."""
    power = 0
    while count >= 1000 and power < len(BYTES) - 1:
        count, power = count / 1000, power + 1
    return f"{count:,.0f} {BYTES[power]}" if power == 0 or count >= 100 else f"{count:,.1f} {BYTES[power]}"


def did(output: Any) -> str:
    """What a run returned, as a person would say it: "225 expired, 200 notifications, 1.2 MB". What came to nothing is left out,
    unless everything did."""
    if output is None:
        return ""
    if not isinstance(output, Mapping):
        return str(output) if isinstance(output, str | int | float) else json.dumps(output, ensure_ascii=False)
    figures = {name: value for name, value in output.items() if value not in (None, [], {}, "")}
    told = {name: value for name, value in figures.items() if value not in (0, False)} or figures
    return ", ".join(_figure(name, value) for name, value in sorted(told.items(), key=lambda pair: pair[0] == "bytes"))


def expected(outputs: Sequence[Any]) -> str:
    """What a run that has not come yet will probably do: the middle of what those before it did, two figures at most. Empty when
    they do not say, or when nothing is to be expected."""
    dicts = [output for output in outputs if isinstance(output, Mapping)]
    told = []
    for name in dicts[0] if dicts else ():
        values = [one[name] for one in dicts if _is_figure(one.get(name))]
        if len(values) == len(dicts) and name != "bytes" and (middle := round(median(values))):
            told.append(f"{'' if len(set(values)) == 1 else 'about '}{middle:,} {name.replace('_', ' ')}")
    return ", ".join(told[:2])


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if name == "bytes" and isinstance(value, int | float):
        return size(value)
    match value:
        case bool():
            return words if value else f"no {words}"
        case int() | float():
            one = value == 1 and words.endswith("s") and not words.endswith("ss")
            return f"{number(value)} {words[:-1] if one else words}"
        case str():
            return f"{words} {value}"
        case _:
            return f"{words} {json.dumps(value, ensure_ascii=False)}"
