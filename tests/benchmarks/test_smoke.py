"""The benchmarks run. What they measure is no test's business."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_no_op_benchmark_runs_and_prints_its_ratio() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--calls", "500", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ratio" in done.stdout
