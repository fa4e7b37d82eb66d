"""schemathesis knows nothing but the document. Whatever it makes of it is answered as that says,
and never by an error of ours.
"""

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from forecourt.operations import people, tokens
from forecourt.web import access
from forecourt.web.api.document import document
from forecourt.web.api.operation import ROOT

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_whatever_is_asked_is_answered_as_the_document_says(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int], mode: GenerationMode
) -> None:
    people.add(tx, "anna", "viewer", "correct horse battery", who="the test")
    access._remembered.clear()
    text, _ = tokens.add(tx, "robot", ["admin"], who="the test")
    headers = {"authorization": f"Bearer {text}"}
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=str(pages.base_url.join(ROOT)))
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=4, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        answered()
