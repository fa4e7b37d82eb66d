"""Hides what not everybody should see who may look at calls: values whose name says that they are secret."""

from collections.abc import Collection, Mapping
from typing import Any

NAMES = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "authorization", "credential", "private_key",
    "iban", "cvv",
)  # fmt: skip
"""Parts of names, in any case."""

HIDDEN = "•••"


def hide(value: Any, also: Collection[str] = ()) -> Any:
    """A JSON value with secret values as "•••", however deep they lie. `also`: parts of names that are secret here besides."""
    parts = (*NAMES, *(name.lower() for name in also))
    return _hide(value, parts)


def _hide(value: Any, parts: tuple[str, ...]) -> Any:
    match value:
        case Mapping():
            return {
                name: HIDDEN if any(part in str(name).lower() for part in parts) else _hide(inner, parts)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_hide(inner, parts) for inner in value]
        case _:
            return value
