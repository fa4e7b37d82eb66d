"""Reads what PHP's serialize() wrote, as data: objects become their properties, and no class is
looked for.
"""

from dataclasses import dataclass
from typing import Any


class NotSerialized(ValueError):
    """The text is not what serialize() writes."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its class, and its properties by their bare names."""

    kind: str
    properties: dict[str, Any]


DEEPEST = 100


class Reader:
    """One pass over the bytes. References (`r`, `R`) are numbers of values in the order in which
    they were written.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._seen: list[Any] = []
        self._depth = 0

    def whole(self) -> Any:
        """The value, and nothing behind it. Raises NotSerialized."""
        try:
            value = self._value()
        except (IndexError, ValueError, TypeError) as error:  # TypeError: a key that is none
            raise NotSerialized(f"at byte {self._at}: {error}") from None
        if self._at != len(self._data):
            raise NotSerialized(f"{len(self._data) - self._at} bytes too many")
        return value

    def _value(self, *, is_key: bool = False) -> Any:
        kind = self._data[self._at : self._at + 1]
        self._at += 1
        number = len(self._seen)
        if not is_key and kind not in b"R":
            self._seen.append(None)
        value = self._of_kind(kind)
        if not is_key and kind not in b"R":
            self._seen[number] = value
        return value

    def _of_kind(self, kind: bytes) -> Any:
        match kind:
            case b"N":
                self._expect(b";")
                return None
            case b"i":
                return int(self._scalar())
            case b"d":
                return float(self._scalar())
            case b"b":
                return self._scalar() == b"1"
            case b"s":
                self._expect(b":")
                text = self._text()
                self._expect(b";")
                return text
            case b"a":
                self._expect(b":")
                pairs = self._pairs()
                return list(pairs.values()) if list(pairs) == list(range(len(pairs))) else pairs
            case b"O":
                self._expect(b":")
                name = self._text()
                self._expect(b":")
                return Thing(name, {str(key).rpartition("\0")[2]: value for key, value in self._pairs().items()})
            case b"r" | b"R":
                number = int(self._scalar())
                if number < 1:
                    raise ValueError(f"a reference to value {number}")
                return self._seen[number - 1]
            case _:
                raise ValueError(f"a value of kind {kind.decode(errors='replace')!r}, which is not read here")

    def _pairs(self) -> dict[Any, Any]:
        count = self._count()
        self._expect(b"{")
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels")
        pairs = {self._value(is_key=True): self._value() for _ in range(count)}
        self._depth -= 1
        self._expect(b"}")
        return pairs

    def _text(self) -> str:
        length = self._count()
        self._expect(b'"')
        found = self._data[self._at : self._at + length]
        self._at += length
        self._expect(b'"')
        return found.decode()

    def _count(self) -> int:
        count = int(self._until(b":"))
        if count < 0:
            raise ValueError(f"a length of {count}")
        return count

    def _scalar(self) -> bytes:
        self._expect(b":")
        return self._until(b";")

    def _until(self, end: bytes) -> bytes:
        stop = self._data.index(end, self._at)
        found = self._data[self._at : stop]
        self._at = stop + 1
        return found

    def _expect(self, byte: bytes) -> None:
        if self._data[self._at : self._at + 1] != byte:
            raise ValueError(f"expected {byte.decode()!r}")
        self._at += 1


def unserialized(data: bytes) -> Any:
    """The value. Raises NotSerialized."""
    return Reader(data).whole()
