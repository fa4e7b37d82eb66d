"""The benchmarks run to their ends, and count what they did. What they measure is no test's business."""

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "\ndef measure(" in path.read_text())


def test_every_benchmark_is_part_of_the_whole_run() -> None:
    assert sorted(BENCHMARKS) == [path.stem for path in MODULES]


@pytest.mark.timeout(300)  # they start many workers, and peers where they are installed
@pytest.mark.parametrize("names", [BENCHMARKS[0::2], BENCHMARKS[1::2]], ids=["the first", "the others"])
def test_the_benchmarks_run_to_their_ends(names: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--rounds", "1", "--part", "0.002", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| what was compared |" in done.stdout
