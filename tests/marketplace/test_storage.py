"""Promises of the local storage: whole or absent, written once, never outside its root."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forecourt.marketplace.folder import Folder
from forecourt.marketplace.storage import NotStoredError, StorageError

KEY = "photos/ab/cd/abcd-1600.webp"


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "var" / "storage")


def test_what_was_put_is_read_listed_and_deleted(storage: Folder) -> None:
    assert not storage.exists(KEY)
    storage.put(KEY, b"pixels")
    assert storage.exists(KEY)
    assert storage.read(KEY) == b"pixels"
    assert list(storage.keys()) == [KEY]
    storage.delete(KEY)
    assert not storage.exists(KEY)
    assert list(storage.keys()) == []


def test_putting_a_key_again_changes_nothing(storage: Folder) -> None:
    storage.put(KEY, b"first")
    written = (storage.root / KEY).stat()
    storage.put(KEY, b"second")
    again = (storage.root / KEY).stat()
    assert storage.read(KEY) == b"first"
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_deleting_a_missing_key_is_a_success(storage: Folder) -> None:
    storage.delete(KEY)
    storage.put(KEY, b"pixels")
    storage.delete(KEY)
    storage.delete(KEY)


def test_a_delete_removes_the_folders_it_empties_and_no_other(storage: Folder) -> None:
    storage.put(KEY, b"1")
    storage.put("photos/ab/ef/abef-800.webp", b"2")
    storage.delete(KEY)
    assert not (storage.root / "photos/ab/cd").exists()
    assert storage.read("photos/ab/ef/abef-800.webp") == b"2"
    storage.delete("photos/ab/ef/abef-800.webp")
    assert storage.root.is_dir()
    assert list(storage.root.iterdir()) == []


def test_a_missing_key_is_named(storage: Folder) -> None:
    with pytest.raises(NotStoredError, match=r"photos/ab/cd/abcd-1600\.webp"):
        storage.read(KEY)


def test_a_folder_is_not_a_key(storage: Folder) -> None:
    storage.put(KEY, b"pixels")
    assert not storage.exists("photos")
    with pytest.raises(NotStoredError):
        storage.read("photos")
    storage.delete("photos")
    storage.delete(f"{KEY}/deeper")
    assert storage.read(KEY) == b"pixels"


@pytest.mark.parametrize("key", ["photos/ab", f"{KEY}/deeper", f"{KEY}/deeper/still"])
def test_a_key_that_collides_with_a_folder_is_refused(storage: Folder, key: str) -> None:
    storage.put(KEY, b"pixels")
    with pytest.raises(StorageError, match="collides"):
        storage.put(key, b"other")
    assert list(storage.keys()) == [KEY]
    assert not [path for path in storage.root.rglob(".*") if path.is_file()]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../outside",
        "photos/../../outside",
        "photos/./x",
        "photos//x",
        "photos/",
        ".hidden",
        "photos/.x.tmp",
        "photos/x\0.webp",
        "photos/x\n",
        "photos\\..\\x",
        "photos/X.webp",
        "photos/صورة",
        "photos/%2e%2e/x",
        "~/x",
        "a" * 129,
        "/".join(["a" * 100] * 3),
    ],
)
def test_a_key_that_could_leave_the_root_is_refused_everywhere(storage: Folder, tmp_path: Path, key: str) -> None:
    for act in (lambda: storage.put(key, b"x"), lambda: storage.read(key), lambda: storage.exists(key)):
        with pytest.raises(StorageError, match="is not a storage key"):
            act()
    with pytest.raises(StorageError, match="is not a storage key"):
        storage.delete(key)
    assert list(tmp_path.iterdir()) == []


def test_keys_lists_by_prefix_in_order(storage: Folder) -> None:
    for key in ("photos/ab/2", "photos/ab/1", "photos/ac/3", "incoming/9"):
        storage.put(key, b"x")
    assert list(storage.keys("photos/ab/")) == ["photos/ab/1", "photos/ab/2"]
    assert list(storage.keys("photos/a")) == ["photos/ab/1", "photos/ab/2", "photos/ac/3"]
    assert list(storage.keys("nothing/here")) == []
    assert list(storage.keys()) == ["incoming/9", "photos/ab/1", "photos/ab/2", "photos/ac/3"]
    with pytest.raises(StorageError):
        list(storage.keys("../"))


def test_a_temporary_file_of_a_crashed_put_is_harmless(storage: Folder) -> None:
    folder = (storage.root / KEY).parent
    folder.mkdir(parents=True)
    (folder / ".0123456789abcdef.tmp").write_bytes(b"half a pict")
    assert not storage.exists(KEY)
    assert list(storage.keys()) == []
    storage.put(KEY, b"whole")
    assert list(storage.keys()) == [KEY]
    storage.delete(KEY)
    assert list(storage.keys()) == []


KILLED_WRITER = """
import hashlib, os, sys
from pathlib import Path
from forecourt.marketplace.folder import Folder
storage = Folder(Path(sys.argv[1]))
while True:
    data = os.urandom(16) * 40_000
    storage.put(f"blobs/{hashlib.sha256(data).hexdigest()}", data)
    print("stored", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_content(storage: Folder) -> None:
    for stored in (1, 2, 3, 5):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, storage.root], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(stored):
                assert writer.stdout.readline() == "stored\n"
            writer.kill()
    keys = list(storage.keys("blobs/"))
    assert len(keys) >= 1 + 2 + 3 + 5
    for key in keys:
        assert key == f"blobs/{hashlib.sha256(storage.read(key)).hexdigest()}"


def test_a_reader_never_sees_half_of_what_is_being_written(storage: Folder) -> None:
    data = b"pixels" * 3_000_000
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(storage.put, KEY, data)
        while not (storage.exists(KEY) or writing.done()):
            pass
        assert (storage.root / KEY).stat().st_size == len(data)
        writing.result()


def test_a_put_that_fails_leaves_nothing_behind(storage: Folder) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            storage.put(KEY, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in storage.root.rglob("*") if path.is_file()] == []


def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(storage: Folder) -> None:
    def come_and_go(name: str) -> None:
        for _ in range(60):
            storage.put(f"photos/ab/cd/{name}", name.encode())
            assert storage.read(f"photos/ab/cd/{name}") == name.encode()
            storage.delete(f"photos/ab/cd/{name}")

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(come_and_go, f"n{number}") for number in range(4)]:
            done.result()
    assert list(storage.root.iterdir()) == []


def test_a_folder_that_others_make_and_remove_meanwhile_is_no_collision(
    storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = os.mkdir
    raced = []

    def make_behind_another(path: str, mode: int = 0o777) -> None:
        make(path, mode)
        if path not in raced:  # the other process made it first, and removes it at once
            raced.append(path)
            Path(path).rmdir()
            raise FileExistsError(errno.EEXIST, "File exists", str(path))

    monkeypatch.setattr(os, "mkdir", make_behind_another)
    storage.put(KEY, b"pixels")
    assert raced
    assert storage.read(KEY) == b"pixels"


def test_many_writers_of_one_key_agree(storage: Folder) -> None:
    data = b"the same photo" * 10_000
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(storage.put, KEY, data) for _ in range(20)]:
            done.result()
    assert storage.read(KEY) == data
    assert [path.name for path in (storage.root / KEY).parent.iterdir()] == ["abcd-1600.webp"]


def test_a_stored_file_has_the_permissions_of_any_new_file(storage: Folder) -> None:
    storage.put(KEY, b"pixels")
    beside = storage.root / "beside"
    beside.write_bytes(b"")
    assert (storage.root / KEY).stat().st_mode == beside.stat().st_mode
