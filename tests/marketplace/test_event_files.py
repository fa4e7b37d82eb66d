"""Promises of the Parquet files that hold archived events."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecourt.marketplace.event_files import Contents, lines, read, write

ODD = (
    b'1,7,"view","203.0.113.0",1764000000000001\n'
    b'2,7,"",,-1\n'
    b'-3,8,"a,b ""c""\nd","2001:db8::",946684800000000\n' + '4,8,"مشاهدة 🚗","0.0.0.0",1764000000999999\n'.encode()
)


def test_what_is_written_reads_back_as_the_same_bytes_whatever_the_text(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    digest = write(path, [ODD[:50], ODD[50:51], ODD[51:]])
    assert b"".join(lines(path)) == ODD
    assert digest == sha256(ODD).hexdigest()
    assert read(path) == Contents(rows=4, min_id=-3, max_id=4, sum_id=4, digest=digest)


def test_any_parquet_reader_finds_plain_columns(tmp_path: Path) -> None:
    write(tmp_path / "events.parquet", [ODD])
    table = pq.read_table(tmp_path / "events.parquet")
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["id"], first["car_listing_id"], first["event_type"], first["user_ip"]) == (
        1,
        7,
        "view",
        "203.0.113.0",
    )
    assert first["created_at"].isoformat() == "2025-11-24T16:00:00.000001+00:00"


def test_many_blocks_are_one_file(tmp_path: Path) -> None:
    rows = [b'%d,%d,"view","203.0.113.0",%d\n' % (n, n % 7, n) for n in range(1, 200_001)]
    path = tmp_path / "events.parquet"
    digest = write(path, rows)
    assert pq.ParquetFile(path).num_row_groups > 1
    assert read(path) == Contents(200_000, 1, 200_000, 200_000 * 200_001 // 2, digest)


def any_events(count: int) -> list[bytes]:
    some = Random(7).randrange
    return [
        b'%d,%d,"view","10.%d.%d.0",%d\n' % (n, some(10**9), some(256), some(256), some(10**15)) for n in range(count)
    ]


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.9])
def test_a_flipped_bit_is_noticed(tmp_path: Path, where: float) -> None:
    path = tmp_path / "events.parquet"
    digest = write(path, any_events(5_000))  # which don't compress: nearly all of the file is events
    damaged = bytearray(path.read_bytes())
    damaged[int(len(damaged) * where)] ^= 0x10
    path.write_bytes(damaged)
    with suppress(pa.ArrowException, OSError):
        assert read(path).digest != digest


def test_a_cut_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    write(path, [ODD])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(pa.ArrowException):
        read(path)


def test_an_error_of_the_source_is_the_writer_s_error(tmp_path: Path) -> None:
    def broken() -> object:
        yield ODD
        raise ConnectionError("the server went away")

    with pytest.raises(ConnectionError, match="the server went away"):
        write(tmp_path / "events.parquet", broken())  # type: ignore[arg-type]
