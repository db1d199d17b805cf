"""The OpenAPI document as the product means it: every problem declared, nothing that the framework answers otherwise."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from starter.problems import KINDS, MEDIA_TYPE, ProblemBody

_DESCRIPTION = """
Signs up telecom customers: one order, one durable onboarding.

* **Safe to repeat.** Send an `Idempotency-Key` with every order. The same key and body is the same onboarding.
* **202 means kept.** The order runs to its end; follow it with `GET .../events`, as JSON or as server-sent events.
* **Errors are problems** (RFC 9457). Match on `code`; `errors[].pointer` says where in the body.
* **Amounts** are whole minor units (1999 is 19.99), times are UTC, telephone numbers are E.164.
"""

_REFERENCE = re.compile(r" \((?:research|[CS]\d)[^)]*\)")

_TITLES = {
    400: "The request cannot be read",
    401: "The API key is missing or unknown",
    403: "This key may not do that",
    404: "There is no such thing, or it is not yours",
    409: "The answer is no; `code` says why",
    412: "Somebody changed it since you looked; `If-Match` names an older state",
    413: "The body is too large",
    415: "The body is compressed, or a file of another kind",
    422: "The request is not valid; `errors` says where",
    429: "Too many of these; `Retry-After` says when to ask again",
    500: "Something went wrong on our side",
    503: "Not available right now; `Retry-After` says when to ask again",
}
_EXAMPLES = {
    400: "idempotency_key_missing",
    401: "unauthenticated",
    403: "not_allowed",
    404: "not_found",
    409: "already_finished",
    412: "changed_meanwhile",
    413: "too_large",
    415: "content_encoded",
    422: "invalid_request",
    429: "too_many_streams",
    500: "internal",
    503: "unavailable",
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "string"}, "required": True, "description": "Seconds"}},
    503: {"Retry-After": {"schema": {"type": "string"}, "required": True, "description": "Seconds"}},
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These statuses, and those that every operation may answer, as problems."""
    read = {415} if 413 in statuses else set()
    return {status: _response(status) for status in sorted({*statuses, *read, 401, 422, 500, 503})}


def _response(status: int) -> dict[str, Any]:
    code = _EXAMPLES[status]
    kind = KINDS[code]
    example: dict[str, Any] = {
        "type": f"https://onboarding.example.com/problems/{code}",
        "title": kind.title,
        "status": status,
        "detail": kind.advice,
        "code": code,
        "instance": "urn:uuid:0e5f6a3c-8f0e-4a52-9a6e-1f2b3c4d5e6f",
    }
    if status == 422:
        message = "A telephone number needs the address where it is used. Add it."
        example["detail"] = "One thing in the request must be mended."
        example["errors"] = [
            {"code": "service_address_missing", "detail": message, "pointer": "/customer/service_address"},
        ]
    schema = {"$ref": "#/components/schemas/Problem"}
    answer: dict[str, Any] = {
        "description": _TITLES[status],
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    if status in _HEADERS:
        answer["headers"] = _HEADERS[status]
    return answer


def _for_readers(node: Any) -> Any:
    """Docstrings are written for programmers of the product: one kind of quote less, no references to its requirements."""
    if isinstance(node, dict):
        return {key: _said(value) if key == "description" else _for_readers(value) for key, value in node.items()}
    return [_for_readers(item) for item in node] if isinstance(node, list) else node


def _said(text: Any) -> Any:
    if not isinstance(text, str):
        return _for_readers(text)  # a property that is called "description"
    return " ".join(_REFERENCE.sub("", text).replace("``", "`").split()) if text != _DESCRIPTION else text


def install(app: FastAPI) -> None:
    """Replace the application's OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title="Dialtone",
                version=app.version,
                openapi_version="3.1.0",
                description=_DESCRIPTION,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= problem.pop("$defs", {}) | {"Problem": problem}
            document["components"]["schemas"] = dict(sorted(schemas.items()))
            app.openapi_schema = _for_readers(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way
