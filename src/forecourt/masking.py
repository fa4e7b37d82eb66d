"""Hides what not everybody should see who may look at calls: values whose name says that they are
secret.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "authorization", "credential", "private_key",
    "iban", "cvv",
)  # fmt: skip
"""Parts of names, in any case."""

HIDDEN = "•••"

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:\s*)?', re.DOTALL)
"""In JSON, and whether it is a name."""

PLAIN = re.compile(r"[^\s,}\]]*")


def is_secret(name: str, also: Collection[str] = ()) -> bool:
    """Whether what has this name is hidden. `also`: parts of names that are secret besides."""
    lower = name.lower()
    return any(part in lower for part in NAMES) or any(part.lower() in lower for part in also)


def hide(value: Any, also: Collection[str] = ()) -> Any:
    """A JSON value with secret values as "•••", however deep they lie."""
    match value:
        case Mapping():
            return {name: HIDDEN if is_secret(str(name), also) else hide(inner, also) for name, inner in value.items()}
        case list() | tuple():
            return [hide(inner, also) for inner in value]
        case _:
            return value


def hide_text(text: str, also: Collection[str] = ()) -> str:
    """The same of JSON as text, which may be cut off anywhere."""
    shown, at = [], 0
    while found := STRING.search(text, at):
        shown.append(text[at : found.end()])
        at = found.end()
        if found[2] is not None and is_secret(found[1], also):
            shown.append(f'"{HIDDEN}"')
            at = _end(text, at)
    return "".join(shown) + text[at:]


def _end(text: str, begin: int) -> int:
    """Where the value ends that begins here: at the end of the text if it was cut off."""
    if text[begin : begin + 1] not in ("{", "[", '"'):
        return PLAIN.match(text, begin).end()  # type: ignore[union-attr]
    depth, at = 0, begin
    while at < len(text):
        if text[at] == '"':
            string = STRING.match(text, at)
            if string is None:
                return len(text)
            at = string.end()
        else:
            depth += (text[at] in "{[") - (text[at] in "}]")
            at += 1
        if depth == 0:
            return at
    return len(text)
