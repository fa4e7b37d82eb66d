"""Every benchmark is run by `make bench`. That they run to their ends is tried beside the suite, in
`.ci/run`.
"""

from pathlib import Path

from benchmarks.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "\ndef measure(" in path.read_text())


def test_every_benchmark_is_part_of_the_whole_run() -> None:
    assert sorted(BENCHMARKS) == [path.stem for path in MODULES]
