"""What comes from outside, as it may stand on a page."""

from forecourt.language import direction
from forecourt.visible import visible

ISOLATES = {"\\u2068": "\u2068", "\\u2069": "\u2069"}


def readable(text: str) -> str:
    """The text with what would act instead of being read spelled out. Where one reads from right to
    left, isolates stay: our own messages fence off with them what is filled in, and they reorder
    nothing around them."""
    if text.isprintable():
        return text
    shown = visible(text)
    if direction() == "rtl":
        for spelled, isolate in ISOLATES.items():
            shown = shown.replace(spelled, isolate)
    return shown
