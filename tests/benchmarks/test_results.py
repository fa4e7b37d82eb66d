"""What a run measured is kept with every figure, can be repeated in parts, and is drawn."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.measure import Figures, Row
from benchmarks.results import Measured, Results

from benchmarks import picture, results

SVG = "{http://www.w3.org/2000/svg}"


def measured(work: str, at: str, **sides: tuple[float, ...]) -> Measured:
    figures = {name: Figures(values, "/s") for name, values in sides.items()}
    return Measured([Row(work, "≥ 1.2 × Huey", "1.50× (1.40 to 1.60)", True, "what was compared", figures)], at)


@pytest.fixture
def found() -> Results:
    noop = measured("no-op jobs", "2026-03-01 10:00", Forecourt=(300.0, 310.0, 290.0), Huey=(200.0, 201.0, 205.0))
    memory = measured("memory of an idle worker, 4 slots", "2026-03-01 10:00", Forecourt=(90.0,), RQ=(96.0,))
    return Results("a machine with 2 cores", "2026-03-01 10:00", {"noop": noop, "memory": memory})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FIGURES", tmp_path / "results.json")
    monkeypatch.setattr(results, "TABLE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(picture, "PICTURE", tmp_path / "benchmark.svg")


def test_what_was_kept_is_what_was_measured(found: Results) -> None:
    results.keep(found)

    assert results.kept() == found
    assert "| no-op jobs | ≥ 1.2 × Huey | 1.50× (1.40 to 1.60) | yes | what was compared |" in results.TABLE.read_text()


def test_nothing_is_kept_before_the_first_run() -> None:
    assert results.kept() is None


def test_a_repeated_benchmark_takes_its_old_place_and_is_named(found: Results) -> None:
    again = Results("a machine", "2026-03-02 11:00", {"noop": measured("no-op jobs", "2026-03-02 11:00")})

    both = found.with_repeated(again)

    assert list(both.benchmarks) == ["noop", "memory"]
    assert both.repeated == {"noop": "2026-03-02 11:00"}
    assert "Repeated by itself: noop, 2026-03-02 11:00." in both.table()


def test_the_picture_has_a_bar_and_the_median_for_every_side(found: Results) -> None:
    picture.draw(found)

    drawn = ElementTree.parse(picture.PICTURE).getroot()
    said = [text.text for text in drawn.iter(f"{SVG}text")]
    bars = [rect for rect in drawn.iter(f"{SVG}rect") if rect.get("class", "").startswith("bar")]
    assert len(bars) == 4
    assert {"Forecourt", "Huey", "RQ", "300", "201", "90", "96"} <= set(said)


def test_the_best_side_stands_first(found: Results) -> None:
    picture.draw(found)

    names = [
        text.text for text in ElementTree.parse(picture.PICTURE).iter(f"{SVG}text") if "name" in text.get("class", "")
    ]
    assert names == ["Forecourt", "Huey", "Forecourt", "RQ"]


def test_a_figure_far_beyond_the_others_is_cut_off(found: Results) -> None:
    far = measured("idle latency, p50, beside peers", found.at, Forecourt=(2.0,), Huey=(1.0,), Laravel=(2000.0,))

    picture.draw(Results(found.machine, found.at, {"latency": far}))

    drawn = ElementTree.parse(picture.PICTURE).getroot()
    widths = [float(rect.get("width", 0)) for rect in drawn.iter(f"{SVG}rect") if "bar" in rect.get("class", "")]
    assert widths[2] < 2 * widths[1]
    assert any(line.get("class") == "cut" for line in drawn.iter(f"{SVG}line"))


def test_without_figures_there_is_no_picture(found: Results) -> None:
    picture.draw(Results(found.machine, found.at, {"noop": measured("no-op jobs", found.at)}))

    assert not picture.PICTURE.exists()
