"""What is done to every photo before it is published: an application's own hook, such as one that
blurs plates, and a watermark.

The hook is a function of a picture, upright and in RGB, that returns one of the same size;
FORECOURT_PHOTO_HOOK names it. The watermark is a picture with transparency; FORECOURT_WATERMARK is
its path.
"""

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from forecourt.settings import settings

Hook: TypeAlias = Callable[[Image.Image], Image.Image]

MARKED_FROM = 600
"""Pixels of width; on what is smaller a watermark would be all that one sees."""

PART = 5
"""A watermark is a fifth as wide as its photo."""


class CannotRetouch(RuntimeError):
    """The hook or the watermark that the settings name is not to be had, or does not do; the
    message says which, and why.
    """


@dataclass(frozen=True, slots=True)
class Retouching:
    """What the settings want. `recipe` is part of a photo's key: published photos do not change
    when the settings do.
    """

    hook: Hook | None = None
    mark: Image.Image | None = None
    recipe: str = ""

    def hooked(self, picture: Image.Image) -> Image.Image:
        """The picture as the hook makes it. Raises CannotRetouch for another size; what the hook
        raises is the attempt's end.
        """
        if self.hook is None:
            return picture
        made = self.hook(picture.copy())
        if not isinstance(made, Image.Image) or made.size != picture.size:
            raise CannotRetouch(
                f"FORECOURT_PHOTO_HOOK={settings().photo_hook}: it must return a picture of the same size"
            )
        made = made.convert("RGB")
        made.info.clear()
        return made

    def marked(self, picture: Image.Image) -> Image.Image:
        """The picture with the watermark in its lower right corner, where it is wide enough."""
        if self.mark is None or picture.width < MARKED_FROM:
            return picture
        width = picture.width // PART
        mark = self.mark.resize(
            (width, max(1, round(self.mark.height * width / self.mark.width))), Image.Resampling.LANCZOS
        )
        margin = picture.width // 50
        marked = picture.copy()
        marked.paste(mark, (picture.width - mark.width - margin, picture.height - mark.height - margin), mark)
        return marked


def retouching() -> Retouching:
    """As the settings are now. Raises CannotRetouch."""
    path = settings().watermark
    try:
        changed = path.stat().st_mtime_ns if path else 0
    except OSError as error:
        raise CannotRetouch(f"FORECOURT_WATERMARK={path}: {error.strerror}") from None
    return _retouching(settings().photo_hook, path, changed)


@lru_cache(maxsize=1)
def _retouching(hook: str, path: Path | None, changed: int) -> Retouching:
    parts = []
    mark = None
    if path is not None:
        try:
            data = path.read_bytes()
            with Image.open(path) as source:
                mark = source.convert("RGBA")
        except OSError as error:
            raise CannotRetouch(f"FORECOURT_WATERMARK={path}: {error}") from None
        parts.append(f" watermark={hashlib.sha256(data).hexdigest()[:16]}")
    if hook:
        parts.append(f" hook={hook}")
    return Retouching(_loaded(hook) if hook else None, mark, "".join(parts))


def _loaded(name: str) -> Hook:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CannotRetouch(f"FORECOURT_PHOTO_HOOK={name}: {error}; expected module:function") from None
    if not callable(found):
        raise CannotRetouch(f"FORECOURT_PHOTO_HOOK={name}: it is not a function")
    hook: Hook = found
    return hook
