"""Text as PostgreSQL can store it."""


def storable(text: str) -> str:
    """The text without NUL, and with lone surrogates spelled out."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
