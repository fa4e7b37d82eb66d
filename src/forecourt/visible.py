"""Text from outside on its way to somebody's terminal: what would act instead of being read is
spelled out.
"""

JOINERS = "\u200c\u200d"
"""Invisible, and part of how Persian, Hindi and emoji are written."""


def visible(text: str) -> str:
    """The text with its control characters, escape sequences and changes of direction as `\\x1b`;
    lines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t " or letter in JOINERS else _spelled(letter)
        for letter in text
    )


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
