"""Reads photos from a request while they come: as multipart/form-data, or one as the body itself.
None is ever in memory whole.
"""

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from forecourt.marketplace.storage import Storage
from forecourt.marketplace.uploads import BadUpload, Receipt

LONGEST_FIELD = 1_000
"""Bytes of a part that is no file: a form's other fields are read over."""


class RefusedUpload(Exception):
    """A photo that was refused while it came in: its position from 1, the code, and why in
    words.
    """

    def __init__(self, position: int, bad: BadUpload) -> None:
        super().__init__(position, bad)
        self.position, self.bad = position, bad


async def receive(request: Request, storage: Storage, most: int, kept: list[str]) -> None:
    """Store the photos of a request, and add the key of each to `kept` as soon as it is stored,
    also when a later one is refused.

    Raises RefusedUpload, and HTTPException for a body that holds no photos, more than `most`, or
    breaks off.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise HTTPException(400, "multipart/form-data without a boundary")
        await _parts(request.stream(), boundary, storage, most, kept)
    else:
        await _whole(request.stream(), storage, kept)


async def _whole(stream: AsyncIterator[bytes], storage: Storage, kept: list[str]) -> None:
    receipt = Receipt()
    try:
        async for piece in stream:
            receipt.write(piece)
        kept.append(await run_in_threadpool(receipt.keep, storage))
    except BadUpload as bad:
        raise RefusedUpload(1, bad) from None
    finally:
        receipt.drop()


async def _parts(stream: AsyncIterator[bytes], boundary: bytes, storage: Storage, most: int, kept: list[str]) -> None:
    try:
        form = _Form(boundary, most)
    except FormParserError as error:  # its boundary is longer than any
        raise HTTPException(400, f"this is not multipart/form-data: {error}") from None
    try:
        async for piece in stream:
            form.feed(piece)
            for receipt in form.take_whole():
                kept.append(await run_in_threadpool(receipt.keep, storage))
        form.end()
    except BadUpload as bad:
        raise RefusedUpload(len(kept) + 1, bad) from None
    except MultipartParseError as error:
        raise HTTPException(400, f"this is not multipart/form-data: {error}") from None
    finally:
        form.drop()


class _Form:
    """The parts of a form: files become receipts, and other fields are read over."""

    def __init__(self, boundary: bytes, most: int) -> None:
        self._most = most
        self._files = 0
        self._field = 0
        self._ended = False
        self._name = bytearray()
        self._value = bytearray()
        self._is_file = False
        self._receipt: Receipt | None = None
        self._whole: list[Receipt] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header,
                "on_headers_finished": self._headers,
                "on_part_data": self._data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> None:
        self._parser.write(piece)

    def take_whole(self) -> list[Receipt]:
        """The files that have come in whole since the last time."""
        whole, self._whole = self._whole, []
        return whole

    def end(self) -> None:
        """Raises HTTPException when the form was not whole, or had no file."""
        if not self._ended:
            raise HTTPException(400, "the form breaks off")
        if not self._files:
            raise HTTPException(422, "the form has no file; send photos as files, under any name")

    def drop(self) -> None:
        for receipt in (*self._whole, self._receipt):
            if receipt is not None:
                receipt.drop()

    def _begin(self) -> None:
        self._is_file, self._field = False, 0

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._is_file = b"filename" in parse_options_header(bytes(self._value))[1]
        self._name.clear()
        self._value.clear()

    def _headers(self) -> None:
        if self._is_file:
            self._files += 1
            if self._files > self._most:
                raise HTTPException(422, f"more photos than the {self._most} that the listing has room for")
            self._receipt = Receipt()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._receipt is not None:
            self._receipt.write(data[start:end])
            return
        self._field += end - start
        if self._field > LONGEST_FIELD:
            raise HTTPException(413, f"a field of the form has more than {LONGEST_FIELD} bytes and is no file")

    def _end_part(self) -> None:
        if self._receipt is not None:
            self._whole.append(self._receipt)
            self._receipt = None

    def _end(self) -> None:
        self._ended = True
