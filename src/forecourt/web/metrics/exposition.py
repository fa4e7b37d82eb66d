"""The text format of Prometheus, version 0.0.4: families of samples, each with its kind and a
sentence.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels: TypeAlias = Mapping[str, str]

ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name. A gauge or a counter has a value for each set of labels, a histogram a
    `Distribution`. `words` say what it counts, for whoever reads it in the monitor."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    words: str
    samples: Sequence[tuple[Labels, "float | datetime | Distribution"]]


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values were in each bucket up to `bounds`, and in the one above; the sum of all
    values.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float


def written(families: Iterable[Family]) -> str:
    """The families as text; those without a sample are left out."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    words = family.words.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {words}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        if isinstance(value, Distribution):
            yield from _histogram(family.name, labels, value)
        else:
            yield f"{family.name}{_labels(labels)} {_number(value)}\n"


def _histogram(name: str, labels: Labels, distribution: Distribution) -> Iterator[str]:
    seen = 0
    for bound, count in zip([*distribution.bounds, math.inf], distribution.counts, strict=True):
        seen += count
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {seen}\n"
    yield f"{name}_sum{_labels(labels)} {_number(distribution.sum)}\n"
    yield f"{name}_count{_labels(labels)} {seen}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(ESCAPED)}"' for name, value in labels.items()) + "}"


def _number(value: float | datetime) -> str:
    if isinstance(value, datetime):
        return repr(round(value.timestamp(), 3))
    if value == math.inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
