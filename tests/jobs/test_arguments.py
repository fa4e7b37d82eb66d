"""Arguments are checked where they are dispatched, not at night."""

import warnings
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr
from pydantic_core import CoreSchema, core_schema

from forecourt import Session
from forecourt.jobs.arguments import LARGEST, Arguments, WrongArguments

if TYPE_CHECKING:
    from psycopg import AsyncConnection as OnlyForCheckers


def sponsor(listing_id: int, until: datetime | None = None, *, price: float = 1.5, session: Session) -> None: ...


SPONSOR = Arguments("sponsor", sponsor, batched=False)


def test_good_arguments_come_back_as_they_went_in_and_defaults_fill_the_rest() -> None:
    until = datetime(2026, 11, 23, tzinfo=UTC)
    assert SPONSOR.load(SPONSOR.dump({"listing_id": 7, "until": until})) == {
        "listing_id": 7,
        "until": until,
        "price": 1.5,
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "sponsor: argument 'listing_id' is missing"),
        ({"listing_id": "7"}, "sponsor: argument 'listing_id': Input should be a valid integer, not '7'"),
        ({"listing_id": 7.5}, "valid integer"),
        ({"listing_id": True}, "valid integer"),
        ({"listing_id": 7, "lisitng": 1}, r"no such argument: 'lisitng' \(it takes listing_id, until, price\)"),
        ({"listing_id": 7, "session": 1}, "no such argument: 'session' .*; session= goes to using.session="),
        ({"listing_id": 7, "delay": 60}, "no such argument: 'delay' .*; delay= goes to using.delay="),
        ({"listing_id": 7, "price": float("nan")}, "finite"),
        ({"listing_id": 7, "price": float("inf")}, "finite"),
        ("listing_id", "expected a call's arguments by name, a dict, not 'listing_id'"),
    ],
)
def test_wrong_arguments_are_named(wrong: Any, words: str) -> None:
    with pytest.raises(WrongArguments, match=words):
        SPONSOR.dump(wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_words_for_is_refused_wherever_it_hides(value: float) -> None:
    def anything(given: Any, text: str = "") -> None: ...

    arguments = Arguments("anything", anything, batched=False)
    with pytest.raises(
        WrongArguments, match=r"argument 'given' \(pass what the job finds it by, such as an id\) cannot be written"
    ):
        arguments.dump({"given": object()})
    with pytest.raises(WrongArguments, match="NaN or infinity"):
        arguments.dump({"given": {"deep": [value]}})
    assert arguments.load(arguments.dump({"given": 1, "text": "NaN and Infinity"}))["text"] == "NaN and Infinity"


def test_what_postgresql_cannot_store_is_refused_with_words() -> None:
    def write(text: str, more: dict[str, list[str]]) -> None: ...

    arguments = Arguments("write", write, batched=False)
    with pytest.raises(WrongArguments, match="NUL"):
        arguments.dump({"text": "a\x00b", "more": {}})
    with pytest.raises(WrongArguments, match="NUL"):
        arguments.dump({"text": "a", "more": {"key": ["\x00"]}})
    with pytest.raises(WrongArguments, match="surrogates"):
        arguments.dump({"text": "\ud800", "more": {}})
    # A backslash followed by u0000 is six honest characters.
    assert arguments.load(arguments.dump({"text": r"\u0000", "more": {}}))["text"] == r"\u0000"


def test_arguments_have_a_largest_size() -> None:
    def write(text: str) -> None: ...

    with pytest.raises(WrongArguments, match="put large things into storage"):
        Arguments("write", write, batched=False).dump({"text": "x" * LARGEST})


def test_numbers_beyond_64_bits_stay_exact() -> None:
    assert SPONSOR.load(SPONSOR.dump({"listing_id": 2**70 + 1}))["listing_id"] == 2**70 + 1


def test_dates_decimals_and_uuids_may_be_dispatched() -> None:
    def note(day: date, amount: Decimal, key: UUID) -> None: ...

    arguments = Arguments("note", note, batched=False)
    given = {"day": date(2026, 4, 24), "amount": Decimal("12.50"), "key": UUID(int=5)}
    assert arguments.load(arguments.dump(given)) == given


class Colour(Enum):
    RED = 1


class Paint(BaseModel):
    colour: Colour
    litres: float = Field(alias="l", gt=0)


class Varnish(Paint):
    glossy: bool = True


@dataclass
class Order:
    by: str
    paints: list[Paint]
    number: int = field(default=0, init=False)


class Plate:
    """Two of them are never equal, as nobody said when they are."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        made = core_schema.no_info_plain_validator_function(
            lambda given: given if isinstance(given, cls) else cls(given)
        )
        return made | {"serialization": core_schema.plain_serializer_function_ser_schema(lambda plate: plate.text)}  # type: ignore[return-value]


def test_a_class_that_cannot_be_compared_comes_back_as_it_makes_itself() -> None:
    def find(plate: Plate) -> None: ...

    arguments = Arguments("find", find, batched=False)
    assert arguments.load(arguments.dump({"plate": Plate("DAM 123")}))["plate"].text == "DAM 123"


def test_classes_come_back_equal_or_are_refused_where_they_are_dispatched() -> None:
    def mix(what: Paint, also: list[Colour] | None = None, litres: Annotated[int, Field(gt=0)] = 1) -> None: ...
    def order(what: Order) -> None: ...
    def login(what: dict[str, SecretStr]) -> None: ...
    def count(what: dict[Colour, int]) -> None: ...

    paint = Paint(colour=Colour.RED, l=2)
    given = {"what": paint, "also": [Colour.RED], "litres": 2}
    mixes = Arguments("mix", mix, batched=False)
    assert mixes.load(mixes.dump(given)) == given
    with pytest.raises(WrongArguments, match="'litres': Input should be greater than 0, not 0"):
        mixes.dump({"what": paint, "litres": 0})
    for function, value, words in (
        (mix, Varnish(colour=Colour.RED, l=2), "a class with more fields"),
        (order, Order("me", [paint]), r"'what\.number': Unexpected keyword argument.* when read back"),
        (login, {"me": SecretStr("hush")}, "a secret that is hidden"),
        (count, {Colour.RED: 1}, "when read back"),
    ):
        with pytest.raises(WrongArguments, match=words) as caught:
            Arguments(function.__name__, function, batched=False).dump({"what": value})
        assert "hush" not in str(caught.value)


def test_types_that_only_checkers_know_are_no_obstacle_where_no_argument_needs_them() -> None:
    def fetch(connection: "OnlyForCheckers[Any]", plate: str) -> "OnlyForCheckers[Any]": ...  # type: ignore[empty-body]
    def ask(plate: "OnlyForCheckers[Any]") -> None: ...

    assert Arguments("fetch", fetch, batched=False).takes == "connection"
    with pytest.raises(
        TypeError, match=r"job ask: name 'OnlyForCheckers' is not defined.*outside of `if TYPE_CHECKING"
    ):
        Arguments("ask", ask, batched=False)


def test_a_parameter_may_have_any_name_but_few_which_are_refused_with_words() -> None:
    def write(schema: int, json: int, copy: int, model_id: int) -> None: ...
    def hide(_x: int) -> None: ...
    def keep(self: Any, x: int) -> None: ...

    given = {"schema": 1, "json": 2, "copy": 3, "model_id": 4}
    with warnings.catch_warnings(action="error"):
        arguments = Arguments("write", write, batched=False)
    assert arguments.load(arguments.dump(given)) == given
    with pytest.raises(TypeError, match="parameter _x needs another name"):
        Arguments("hide", hide, batched=False)
    with pytest.raises(TypeError, match="a method cannot be a job"):
        Arguments("keep", keep, batched=False)


def test_a_batched_job_takes_lists_and_is_dispatched_with_single_values() -> None:
    def count(listing_id: list[int]) -> None: ...

    arguments = Arguments("count", count, batched=True)
    assert arguments.load(arguments.dump({"listing_id": 4})) == {"listing_id": 4}
    with pytest.raises(WrongArguments):
        arguments.dump({"listing_id": [4]})

    def wrong(listing_id: int) -> None: ...

    with pytest.raises(TypeError, match=r"annotate listing_id as list\[\.\.\.\]"):
        Arguments("wrong", wrong, batched=True)


def test_a_function_that_takes_anything_cannot_be_a_job() -> None:
    def anything(*args: int, **kwargs: int) -> None: ...

    with pytest.raises(TypeError, match="name every parameter"):
        Arguments("anything", anything, batched=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_value_is_either_refused_or_comes_back_the_same(value: object) -> None:
    def write(value: object) -> None: ...

    arguments = Arguments("write", write, batched=False)
    try:
        text = arguments.dump({"value": value})
    except WrongArguments:
        return
    assert arguments.load(text) == {"value": value}
