"""An operation: a function, and the method and path under which programs reach it.

Everything else is read from the function: what a request may contain from its keyword parameters,
what comes back from its result, what it is for from its docstring. The server, the document and the
remote command line read the same, so they cannot differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, Literal, get_type_hints

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, create_model

from forecourt.web.people import Role

ROOT = "/api/v1"

GIVEN = ("tx", "who", "app", "person", "near")
"""Parameters that are not the request's: the transaction, who asks as the audit names them, the
application, the person; whether it is asked in a process of the asker's own instead of the
server's.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """`does` answers `method` on `path`, for whoever has at least this role. One that GETs only
    reads.
    """

    method: Literal["GET", "POST"]
    path: str
    does: Callable[..., Any]
    role: Role

    @property
    def id(self) -> str:
        """Its name, such as queues_sizes."""
        return f"{self.does.__module__.rpartition('.')[2]}_{self.does.__name__}"

    @property
    def tag(self) -> str:
        """The group that it belongs to."""
        return self.does.__module__.rpartition(".")[2]

    @property
    def route(self) -> str:
        """The path on this server, as Starlette writes it: the last parameter may contain
        slashes.
        """
        return ROOT + self.path.replace("}", ":path}") if self.path.endswith("}") else ROOT + self.path


@dataclass(frozen=True, slots=True)
class Shape:
    """What a function takes from a request and what it returns. `given`: which of GIVEN it wants
    besides; `lists`: the fields of which there may be several values.
    """

    request: type[BaseModel]
    result: TypeAdapter[Any]
    given: frozenset[str]
    lists: frozenset[str]


@lru_cache(maxsize=256)
def shape(does: Callable[..., Any]) -> Shape:
    """Read from its signature."""
    parameters = signature(does).parameters
    hints = get_type_hints(does, localns={"Forecourt": object, "Person": object}, include_extras=True)
    fields: dict[str, Any] = {
        name: (_with_zone(hints[name]), ... if one.default is Parameter.empty else one.default)
        for name, one in parameters.items()
        if name not in GIVEN
    }
    model = create_model(
        f"{does.__module__.rpartition('.')[2]}_{does.__name__}", __config__=ConfigDict(extra="forbid"), **fields
    )
    known = model.model_json_schema()["properties"]
    lists = frozenset(
        name for name, one in known.items() if any(it.get("type") == "array" for it in (one, *one.get("anyOf", [])))
    )
    return Shape(model, TypeAdapter(hints["return"]), frozenset(parameters) & frozenset(GIVEN), lists)


def values(request: BaseModel) -> Mapping[str, Any]:
    """What the function is called with."""
    return {name: getattr(request, name) for name in type(request).model_fields}


def _with_zone(hint: Any) -> Any:
    """An instant without an offset from UTC is none."""
    if hint is datetime:
        return AwareDatetime
    return AwareDatetime | None if hint == datetime | None else hint
