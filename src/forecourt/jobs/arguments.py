"""A job's arguments: checked against its function's signature when it is dispatched, and read back
when it runs.
"""

import inspect
import typing
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from forecourt.masking import HIDDEN, hide, is_secret

LARGEST = 32 * 1024 * 1024
"""Bytes of JSON that one call may carry. Larger things belong into storage, with a key in the
call.
"""

INJECTED = ("session", "connection")
"""Parameters that the slot fills in, of which a function takes one at most."""

OF_USING = ("session", "delay", "at", "queue", "priority")
"""What says how a call is dispatched, where somebody gives it to `dispatch`."""

CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")
"""NaN is written as such, so that it can be found and refused: the default is to write null
instead.
"""

JSON_TYPES: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "object",
}


PLAIN = (Any, object, NoneType, type(...), bool, int, float, str, bytes, date, datetime, time, timedelta, Decimal, UUID)

AS_THEY_ARE = frozenset((*PLAIN, list, dict, tuple, set, frozenset))
"""Types whose values come back from JSON as they were, or of which nobody said what they are."""


class WrongArguments(TypeError):
    """The arguments do not fit the job; the message names each of them."""


class Arguments:
    """What a function takes, as a strict model: nothing is converted silently, nothing unknown is
    dropped.
    """

    def __init__(self, name: str, function: Callable[..., Any], *, batched: bool, mask: Sequence[str] = ()) -> None:
        self._name = name
        self._mask = mask
        self._batched = batched
        self._parts: dict[frozenset[str], Arguments] = {}
        hints = _hints(name, function)
        fields: dict[str, Any] = {}
        self.takes: str | None = None
        """Which of the parameters that the slot fills in it has."""
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"job {name}: parameter {parameter} cannot be dispatched; name every parameter")
            if parameter.name == "self" and not fields:
                raise TypeError(f"job {name}: a method cannot be a job, as no row holds its self; use a function")
            if parameter.name.startswith("_") or parameter.name in ("model_config", "model_post_init"):
                raise TypeError(
                    f"job {name}: parameter {parameter.name} needs another name, without underscores before it"
                )
            if parameter.name in INJECTED:
                if self.takes is not None:
                    raise TypeError(f"job {name}: takes session and connection; each would be a transaction of its own")
                self.takes = parameter.name
                continue
            hint = hints.get(parameter.name, Any)
            default = ... if parameter.default is parameter.empty else parameter.default
            if batched:
                hint = _bare(hint)
                if typing.get_origin(hint) is not list:
                    raise TypeError(f"job {name}: a batched job takes lists; annotate {parameter.name} as list[...]")
                hint, default = typing.get_args(hint)[0], ...
            fields[parameter.name] = (hint, default)
        self._take(fields)
        self.defaults: dict[str, Any] = {
            key: to_jsonable_python(default, serialize_unknown=True)
            for key, (_, default) in fields.items()
            if default is not ...
        }
        """What an argument is that a call leaves out, as JSON values."""

    def _take(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self._delicate = [key for key, (hint, _) in fields.items() if not _stays_as_it_is(hint)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a parameter may be called schema, json or copy, as pydantic's methods
                model = create_model(f"{self._name} arguments", __config__=CONFIG, **fields)
        except (PydanticUserError, ValueError) as error:
            words = str(error).partition("\n")[0]
            raise TypeError(f"job {self._name}: its parameters cannot be dispatched as JSON: {words}") from None
        # By the adapter's parts: a model's own way to them takes longer than they do.
        adapter = TypeAdapter(model)
        self._check = adapter.validator.validate_python
        self._read = adapter.validator.validate_json
        self._write = adapter.serializer.to_json

    def dump(self, given: Mapping[str, Any]) -> str:
        """The arguments as JSON text. Raises WrongArguments."""
        text = self.checked(given)
        if (size := len(text.encode())) > LARGEST:
            raise WrongArguments(
                f"{self._name}: {size} bytes of arguments, at most {LARGEST} are accepted; put large things into"
                " storage and pass their key"
            )
        return text

    def checked(self, given: Mapping[str, Any]) -> str:
        """The same, however long: what prepares its arguments may put large ones elsewhere first.
        Raises WrongArguments.
        """
        if not isinstance(given, Mapping):
            raise WrongArguments(f"{self._name}: expected a call's arguments by name, a dict, not {given!r:.80}")
        try:
            checked = self._check(dict(given))
            text = self._write(checked, exclude_unset=True, by_alias=True).decode()
        except ValidationError as error:
            raise WrongArguments(self._explain(error)) from None
        except (PydanticSerializationError, UnicodeEncodeError) as error:
            raise WrongArguments(f"{self._name}: {_guilty(checked)} cannot be written as JSON: {error}") from None
        if ("NaN" in text or "Infinity" in text) and not _is_json(text):
            raise WrongArguments(f"{self._name}: arguments contain NaN or infinity, which JSON has no words for")
        if "\\u0000" in text and _has_nul(orjson.loads(text)):
            raise WrongArguments(f"{self._name}: arguments contain the character NUL, which PostgreSQL does not store")
        if self._delicate:
            self._read_again(checked, text)
        return text

    def _read_again(self, checked: BaseModel, text: str) -> None:
        """What a class makes of JSON is its own business: a field that it leaves out, or a secret
        that it hides, would be missed at night only."""
        try:
            arrived = self._read(text)
        except ValidationError as error:
            raise WrongArguments(f"{self._explain(error)}; so it would be when read back from JSON") from None
        for name in self._delicate:
            given = getattr(checked, name)
            by_identity = getattr(type(given), "__eq__") is object.__eq__  # noqa: B009 - the checker thinks that it never is
            if getattr(arrived, name) != given and not by_identity:
                raise WrongArguments(
                    f"{self._name}: argument {name!r} would not come back from JSON equal to what was given (a secret that is "
                    "hidden, a field that is left out, a class with more fields than the annotation); pass what JSON can carry"
                )

    def check_all_but(self, later: Collection[str], given: Mapping[str, Any]) -> str:
        """The given ones as JSON text, where the others are known later only. Raises
        WrongArguments.
        """
        if unknown := [name for name in later if name not in self._fields]:
            raise WrongArguments(
                f"{self._name}: no such argument: {', '.join(unknown)} (it takes {', '.join(self._fields)})"
            )
        part = self._parts.get(key := frozenset(later))
        if part is None:
            self._parts[key] = part = Arguments.__new__(Arguments)
            part.__dict__ |= self.__dict__
            part._take({name: field for name, field in self._fields.items() if name not in later})
        return part.dump(given)

    def refuse_unnamed(self, method: str, unnamed: Sequence[Any]) -> None:
        """Raise WrongArguments for arguments without a name, which a row could not keep, and say
        how to write them.
        """
        if unnamed:
            named = ", ".join(
                f"{name}={HIDDEN if is_secret(name, self._mask) else repr(value)[:60]}"
                for name, value in zip(self._fields, unnamed, strict=False)
            )
            raise WrongArguments(f"{self._name}: name the arguments, such as {self._name}.{method}({named})")

    def load(self, text: str) -> dict[str, Any]:
        """The function's keyword arguments from JSON text. Raises WrongArguments."""
        try:
            loaded: dict[str, Any] = vars(self._read(text))
        except ValidationError as error:
            raise WrongArguments(self._explain(error)) from None
        return loaded

    def load_batch(self, texts: Sequence[str]) -> dict[str, Any]:
        """A batched function's, from one text a call: of each argument a list. Raises
        WrongArguments.
        """
        try:
            loaded = [self._read(text) for text in texts]
        except ValidationError as error:
            raise WrongArguments(self._explain(error)) from None
        return {name: [getattr(one, name) for one in loaded] for name in self._fields}

    def described(self) -> dict[str, dict[str, Any]]:
        """Each parameter's JSON type (null where it is not a single one), and whether it is
        required or else its default, for dispatch from SQL."""
        return {
            name: {"type": JSON_TYPES.get(typing.get_origin(_bare(hint)) or _bare(hint)), "required": default is ...}
            | ({} if default is ... else {"default": self.defaults[name]})
            for name, (hint, default) in self._fields.items()
        }

    def _explain(self, error: ValidationError) -> str:
        problems = []
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"]) or "arguments"
            match problem["type"]:
                case "missing":
                    problems.append(f"argument {where!r} is missing")
                case "extra_forbidden":
                    takes = ", ".join(self._fields) or "none"
                    hint = f"; {where}= goes to using({where}=...)" if where in OF_USING else ""
                    problems.append(f"no such argument: {where!r} (it takes {takes}{hint})")
                case _:
                    shown = repr(HIDDEN if is_secret(where, self._mask) else hide(problem["input"], self._mask))
                    shown = shown if len(shown) <= 80 else shown[:77] + "..."
                    problems.append(f"argument {where!r}: {problem['msg']}, not {shown}")
        return f"{self._name}: " + "; ".join(problems)


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The types of what is dispatched. Those of the transaction and of what is returned may be
    known to checkers alone, as linters like it."""
    said = {key: hint for key, hint in inspect.get_annotations(function).items() if key not in (*INJECTED, "return")}
    shown: Any = SimpleNamespace(__annotations__=said, __type_params__=getattr(function, "__type_params__", ()))
    try:
        return typing.get_type_hints(shown, inspect.unwrap(function).__globals__, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"job {name}: {error}, which a parameter's type needs when the module is loaded; import it outside of "
            "`if TYPE_CHECKING:`, or define it at the top of a module, before the job"
        ) from None


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _stays_as_it_is(hint: Any) -> bool:
    """Whether what JSON brings back of such a value need not be compared with it."""
    hint = _bare(hint)
    origin, within = typing.get_origin(hint), typing.get_args(hint)
    if origin is None:
        return not isinstance(hint, type) or hint in AS_THEY_ARE
    if origin is Literal:
        return True
    if origin is dict and within[0] not in AS_THEY_ARE:
        return False  # a key is a text in JSON
    known = origin in AS_THEY_ARE or origin in (Union, UnionType) or origin.__module__ == "collections.abc"
    return known and all(map(_stays_as_it_is, within))


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _guilty(checked: BaseModel) -> str:
    """Which argument JSON cannot hold, and what to pass instead."""
    for name, value in vars(checked).items():
        try:
            to_json(value)
        except PydanticSerializationError:
            return f"argument {name!r} (pass what the job finds it by, such as an id)"
        except UnicodeEncodeError:
            return f"argument {name!r}"
    return "arguments"


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\x00" in value
        case list():
            return any(_has_nul(item) for item in value)
        case dict():
            return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
        case _:
            return False
