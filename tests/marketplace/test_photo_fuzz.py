"""Whatever is sent as a photo ends as pictures or as a clear refusal, within 1 GB and 10 s each.
The same bytes at every run.
"""

import json
import random
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from python_multipart.exceptions import MultipartParseError
from starlette.exceptions import HTTPException

from forecourt.marketplace.folder import Folder
from forecourt.marketplace.uploads import BadUpload, spool
from forecourt.web.photo_bodies import _Form

PHOTOS = Path(__file__).parents[1] / "photos"
SEEDS = sorted(path for path in PHOTOS.iterdir() if path.suffix != ".md" and path.stat().st_size < 40_000)
CASES = 160

CODES = {"empty", "too_large", "too_small", "unsupported_format", "animated", "truncated", "broken"}

# One process for all: its peak is the dearest photo's. It prints the slowest one's seconds, its own
# peak, and what became of them.
IN_A_PROCESS_OF_ITS_OWN = """
import json, resource, sys, time
from forecourt.marketplace.pictures import BadPicture, make
slowest, codes, made = 0.0, {}, 0
while size := int.from_bytes(sys.stdin.buffer.read(4), "big"):
    data = sys.stdin.buffer.read(size - 1)
    begun = time.process_time()
    try:
        found = make(data)
        assert all(variant.content and 0 < variant.width <= 1600 for variant in found.variants)
        made += 1
    except BadPicture as bad:
        assert bad.words
        codes[bad.code] = codes.get(bad.code, 0) + 1
    slowest = max(slowest, time.process_time() - begun)
print(json.dumps([slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, codes, made]))
"""


def mutated(dice: random.Random, data: bytes) -> bytes:
    """The photo as a bad line, a bad disk or a bad person would change it."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 30))):
        at = dice.randrange(len(changed) or 1)
        match dice.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del changed[at:]
            case 2:
                del changed[at : at + dice.randrange(1, 200)]
            case 3:
                changed[at:at] = dice.randbytes(dice.randrange(1, 200))
            case 4:  # a size, an offset or a count becomes an extreme
                changed[at : at + 4] = dice.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
                )
            case 5:
                other = dice.choice(SEEDS).read_bytes()
                changed[at:] = other[dice.randrange(len(other)) :]
            case _:
                changed[at : at + 8] = changed[at : at + 8][::-1]
    return bytes(changed)


def photos() -> Iterator[bytes]:
    dice = random.Random(20261127)
    for number in range(CASES):
        yield mutated(dice, SEEDS[number % len(SEEDS)].read_bytes())


def test_any_photo_ends_in_pictures_or_in_a_clear_refusal_within_a_gigabyte_and_ten_seconds(empty_var: Path) -> None:
    sent = b"".join((len(data) + 1).to_bytes(4, "big") + data for data in photos()) + bytes(4)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_A_PROCESS_OF_ITS_OWN], input=sent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    slowest, peak, codes, made = json.loads(done.stdout)
    assert slowest < 10
    assert peak < 1024
    assert set(codes) <= CODES
    assert made > CASES // 20, codes
    assert sum(codes.values()) > CASES // 4, codes


def test_any_base64_is_spooled_or_refused_with_its_reason(tmp_path: Path) -> None:
    dice = random.Random(7)
    storage = Folder(tmp_path)
    good = b64encode(SEEDS[0].read_bytes()[:3000]).decode()
    alphabet = "ABCabc019+/-_= \n\r\t,;:data%é\0"
    kept, refused = 0, set()
    for _ in range(400):
        text = list(good)
        for _ in range(dice.choice((0, 1, 1, 3))):
            at = dice.randrange(len(text))
            text[at : at + dice.choice((0, 1, 4))] = dice.choices(alphabet, k=dice.choice((0, 1, 4)))
        try:
            key = spool(storage, "".join(text))
            assert storage.read(key)
            kept += 1
        except BadUpload as bad:
            refused.add(bad.code)
    assert kept > 50
    assert refused == {"not_base64"}


def test_any_form_gives_its_files_or_is_refused_wherever_its_pieces_end() -> None:
    dice = random.Random(11)
    photo = SEEDS[0].read_bytes()[:2000]
    head = (
        b'--line\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    whole = head + photo + b"\r\n" + head + photo + b"\r\n--line--\r\n"
    for number in range(400):
        sent = bytearray(whole)
        for _ in range(0 if number < 50 else dice.choice((1, 3))):
            at = dice.randrange(len(sent))
            sent[at : at + dice.choice((0, 1, 50))] = dice.randbytes(dice.choice((0, 1, 50)))
        form, found = _Form(b"line", 20), []
        try:
            for at in range(0, len(sent), step := dice.randrange(1, 700)):
                form.feed(bytes(sent[at : at + step]))
                found += form.take_whole()
            form.end()
        except (MultipartParseError, HTTPException):
            assert number >= 50
        else:
            assert found
        if number < 50:
            assert [receipt._file.seek(0, 2) for receipt in found] == [len(photo)] * 2
        for receipt in found:
            receipt.drop()
        form.drop()
