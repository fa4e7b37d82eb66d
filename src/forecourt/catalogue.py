"""Reads a gettext catalogue as translators write it, `.po`, without a compiled copy beside it that
could be older.
"""

import json
import struct
from collections.abc import Iterator
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

MAGIC, HEADER, ENTRY = 0x950412DE, struct.Struct("<7I"), struct.Struct("<2I")


def read(path: Path) -> GNUTranslations:
    """The catalogue of a file in UTF-8. Raises ValueError, naming the line, for what is no line of
    one.
    """
    return GNUTranslations(BytesIO(_compiled(dict(_messages(path)))))


def _messages(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each message and its translation, as compiled catalogues hold them: the context before, the
    plural forms behind.
    """
    entry: dict[str, str] = {}
    field = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        keyword, _, text = (field, "", line) if line.startswith('"') else line.partition(" ")
        if keyword in ("msgctxt", "msgid") and any(name.startswith("msgstr") for name in entry):
            yield _entry(entry)
            entry = {}
        field = keyword
        try:
            entry[field] = entry.get(field, "") + json.loads(text)  # whose escapes are those that catalogues use
        except ValueError:
            raise ValueError(f"{path}, line {number}: {line!r} is no line of a catalogue") from None
    if entry:
        yield _entry(entry)


def _entry(entry: dict[str, str]) -> tuple[bytes, bytes]:
    context = f"{entry['msgctxt']}\x04" if "msgctxt" in entry else ""
    plural = f"\x00{entry['msgid_plural']}" if "msgid_plural" in entry else ""
    forms = [text for name, text in entry.items() if name.startswith("msgstr")]
    return f"{context}{entry['msgid']}{plural}".encode(), "\x00".join(forms).encode()


def _compiled(messages: dict[bytes, bytes]) -> bytes:
    """As `gettext` reads it: where each message lies, where each translation, and then their texts,
    each ended by a NUL.
    """
    ordered = sorted(messages.items())
    begin = HEADER.size + 2 * ENTRY.size * len(ordered)
    tables, texts = b"", b""
    for which in (0, 1):
        for pair in ordered:
            tables += ENTRY.pack(len(pair[which]), begin + len(texts))
            texts += pair[which] + b"\x00"
    head = HEADER.pack(MAGIC, 0, len(ordered), HEADER.size, HEADER.size + ENTRY.size * len(ordered), 0, 0)
    return head + tables + texts
