"""The API's documentation as plain pages of our own: nothing is loaded from anywhere else."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from domain.errors import NotFound
from starter.problems import KINDS
from starter.rendering import render

router = APIRouter(include_in_schema=False)

_STYLED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def home() -> Response:
    return RedirectResponse("/docs")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document, readable."""
    document = request.app.openapi()
    operations = [
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = list(dict.fromkeys(operation["tag"] for operation in operations))
    schemas = [
        {"name": name, "text": _pretty(schema), "about": schema.get("description", "")}
        for name, schema in document["components"]["schemas"].items()
    ]
    return render("docs.html", headers=_STYLED, info=document["info"], tags=tags, operations=operations, schemas=schemas)


@router.get("/problems")
async def all_problems() -> HTMLResponse:
    """Every kind of problem."""
    return render("problems.html", headers=_STYLED, kinds=KINDS)


@router.get("/problems/{code}")
async def one_problem(code: str) -> HTMLResponse:
    """What the type of a problem leads to."""
    if code not in KINDS:
        raise NotFound("There is no such kind of problem.")
    return render("problems.html", headers=_STYLED, kinds={code: KINDS[code]})


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {})
    reference = next(iter(reference.get("anyOf", [reference])))
    name = reference.get("$ref", "").rsplit("/", 1)[-1]
    return {
        "id": operation["operationId"],
        "tag": operation["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "about": operation.get("description", ""),
        "parameters": [
            {"name": p["name"], "place": p["in"], "required": p.get("required", False), "about": p.get("description", "")}
            for p in operation.get("parameters", [])
        ],
        "body": name,
        "example": _example(document, name, method, path),
        "responses": [(status, response["description"]) for status, response in operation["responses"].items()],
    }


def _example(document: dict[str, Any], schema: str, method: str, path: str) -> str:
    """A ``curl`` that does it, with the body that the schema gives as its example."""
    command = [f"curl -X {method.upper()} $DIALTONE{path}", "-H 'Authorization: Bearer dt_...'"]
    body = _body_example(document, schema) if schema else None
    if path == "/v1/onboardings" and method == "post":
        command.append('-H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        command += ["-H 'Content-Type: application/json'", f"-d '{_pretty(body)}'"]
    return " \\\n  ".join(command)


def _body_example(document: dict[str, Any], name: str) -> Any:
    schema = document["components"]["schemas"][name]
    if "examples" in schema:
        return schema["examples"][0]
    return {
        key: field["examples"][0] if "examples" in field else True
        for key, field in schema.get("properties", {}).items()
        if "examples" in field or key in schema.get("required", [])
    }
