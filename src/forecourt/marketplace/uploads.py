"""Uploads: base64 from a form becomes bytes in storage, and only their key travels in a job's
arguments.

Light on purpose (no image library): this runs where a photo is dispatched, in the web process.
"""

import binascii
import hashlib
import secrets
from tempfile import SpooledTemporaryFile

from forecourt.marketplace.storage import Storage

INCOMING = "incoming/"
"""What the key of an upload begins with."""

MAX_UPLOAD_BYTES = 20_000_000
"""The largest photo accepted, decoded. A phone's 12 MP JPEG is 2 to 5 MB and its 50 MP JPEG 10 to
20 MB; photo services draw the line at 15 to 20 MB too."""

IN_MEMORY = 1_000_000
"""Bytes of an upload that is being received; what is larger waits in a temporary file."""

# Four characters carry three bytes; a tenth more is room for line breaks (CRLF every 64) and a
# data: header.
_MAX_TEXT = MAX_UPLOAD_BYTES * 4 // 3 * 11 // 10
_MAX_HEADER = 256

_WHITESPACE = b" \t\r\n\f\v"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class BadUpload(ValueError):
    """An upload refused for good: a retry would end the same. Reads `code: words`; `code` is
    stable.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)  # both, so that it survives pickling between processes
        self.code = code
        self.words = words

    def __str__(self) -> str:
        return f"{self.code}: {self.words}"


def beyond(value: int, limit: int, unit: str, more: str = "") -> str:
    """ "20.000001 MB; at most 20 MB": in millions, with as many digits as it takes to see that it
    is more.
    """
    rounded = next(text for digits in range(7) if float(text := f"{value / 1e6:.{digits}f}") * 1e6 > limit)
    return f"{rounded} {unit}{more}; at most {limit // 1_000_000} {unit}"


def spool(storage: Storage, base64_text: str) -> str:
    """Decodes one upload and stores it as `incoming/<sha256>-<random>`; returns that key.

    The key is this upload's own, also when the same bytes came before: whoever is done with one may
    delete it.

    Takes plain base64 and data: URLs, the standard or the URL-safe alphabet, any white space,
    padding whole or absent. Raises BadUpload (empty, too_large, not_base64), and then nothing is
    stored. What the bytes are is judged later.
    """
    return keep(storage, _decode(base64_text))


def keep(storage: Storage, data: bytes) -> str:
    """Stores the bytes of one upload, and returns its key."""
    key = f"{INCOMING}{hashlib.sha256(data).hexdigest()}-{secrets.token_hex(4)}"
    storage.put(key, data)
    return key


class Receipt:
    """An upload that comes in pieces: beyond a megabyte they go to a temporary file, and one too
    many is refused when it comes.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it lives from piece to piece
        self._size = 0

    def write(self, piece: bytes) -> None:
        """One more piece. Raises BadUpload (too_large)."""
        self._size += len(piece)
        if self._size > MAX_UPLOAD_BYTES:
            self.drop()
            raise _too_large(self._size)
        self._file.write(piece)

    def keep(self, storage: Storage) -> str:
        """Stores what came, and returns its key. Raises BadUpload (empty)."""
        with self._file:
            self._file.seek(0)
            data = self._file.read()
        if not data:
            raise BadUpload("empty", "the upload has no bytes")
        return keep(storage, data)

    def drop(self) -> None:
        """Forget what came."""
        self._file.close()


def _decode(text: str) -> bytes:
    if len(text) > _MAX_TEXT:  # before anything is copied or decoded
        raise _too_large(len(text) * 3 // 4)
    try:
        raw = _without_header(text.strip()).encode("ascii").translate(None, _WHITESPACE)
    except UnicodeEncodeError as error:
        raise BadUpload("not_base64", f"{text[error.start]!r} is not a character of base64") from None
    if (b"-" in raw or b"_" in raw) and (b"+" in raw or b"/" in raw):
        raise BadUpload("not_base64", "the standard alphabet (+ /) and the URL-safe one (- _) are mixed")
    bare = raw.rstrip(b"=")
    if not bare:
        raise BadUpload("empty", "the upload has no bytes")
    if len(bare) * 3 // 4 > MAX_UPLOAD_BYTES:
        raise _too_large(len(bare) * 3 // 4)
    padding = b"=" * (-len(bare) % 4)
    if raw not in (bare, bare + padding):  # a2b_base64 lets one "=" too many pass
        raise BadUpload("not_base64", f"the text ends in {len(raw) - len(bare)} '=', expected {len(padding)} or none")
    try:
        return binascii.a2b_base64((bare + padding).translate(_URL_SAFE), strict_mode=True)
    except binascii.Error as error:
        raise BadUpload("not_base64", f"{error}; expected base64, or a data: URL that holds it") from None


def _without_header(text: str) -> str:
    """The body of a data: URL; any other text as it is."""
    if text[:5].lower() != "data:":
        return text
    comma = text.find(",", 0, _MAX_HEADER)
    if comma < 0 or not text[:comma].lower().endswith(";base64"):
        raise BadUpload("not_base64", "a data: URL must read data:<type>;base64,<content>")
    return text[comma + 1 :]


def _too_large(size: int) -> BadUpload:
    return BadUpload("too_large", beyond(size, MAX_UPLOAD_BYTES, "MB"))
