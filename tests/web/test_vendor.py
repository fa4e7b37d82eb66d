"""What others wrote is what their packages have, and each file has its licence beside it."""

import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

import forecourt.web

OURS = Path(forecourt.web.__file__).parent / "static" / "vendor"
TESTS = Path(__file__).parent.parent / "browser" / "vendor"


@pytest.mark.parametrize("folder", [OURS, TESTS], ids=["pages", "tests"])
def test_vendored_files_are_unchanged_and_have_their_licences(folder: Path) -> None:
    told = tomllib.loads((folder / "VENDOR.toml").read_text())["file"]
    for one in told:
        assert sha256((folder / one["name"]).read_bytes()).hexdigest() == one["sha256"], one["name"]
        assert (folder / one["licence_file"]).read_text().strip()
        assert one["version"] in one["name"]
    named = {"VENDOR.toml"} | {one[field] for one in told for field in ("name", "licence_file")}
    assert {path.name for path in folder.iterdir()} == named
