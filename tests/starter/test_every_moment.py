"""Every moment and day that the API takes: a year that cannot be reckoned with is refused by its name, wherever it is.

They come from the API's own schema, so that a new one is tried here before anybody thinks of it.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from starter.web import create_app
from tests.starter.conftest import TENANT, House, build
from tests.starter.memory import BulkDesk, Reader

_PLACES = {"account_id": TENANT.id, "code": "standard", "run_id": BulkDesk.KNOWN, "number": "1"}
_YEARS = {
    "date-time": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2200-01-01T00:00:00Z"),
    "date": ("0001-01-01", "1999-12-31", "2200-01-01", "9999-12-31"),
}


def formats(schema: dict[str, Any]) -> set[str]:
    return {one.get("format") for one in (schema, *schema.get("anyOf", ()))} & {*_YEARS}


def every() -> Iterator[tuple[str, str, str, str, str]]:
    """Method, path, where, name and format of whatever holds a moment or a day."""
    document = create_app(build(None, Reader())[0]).openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                for form in formats(parameter["schema"]):
                    yield method, path, "parameter", parameter["name"], form
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for schema in (content.get("schema", {}), *content.get("schema", {}).get("anyOf", ())):
                properties = (
                    document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
                )
                for name, part in properties.items():
                    for form in formats(part):
                        yield method, path, "pointer", name, form


EVERY = sorted(every())


def test_there_are_some() -> None:
    assert {(where, form) for _, _, where, _, form in EVERY} == {
        ("parameter", "date-time"),
        ("pointer", "date-time"),
        ("pointer", "date"),
    }


@pytest.mark.parametrize(("method", "path", "where", "name", "form"), EVERY)
async def test_a_year_of_no_calendar_of_ours_is_refused_by_its_name(
    house: House, method: str, path: str, where: str, name: str, form: str
) -> None:
    for value in _YEARS[form]:
        headers = house.by("platform", **{"Idempotency-Key": "k"})
        asked = {"params": {name: value}} if where == "parameter" else {"json": {name: value}}
        answer = await house.http.request(method, path.format(**_PLACES), headers=headers, **asked)  # type: ignore[arg-type]
        assert answer.status_code == 422, answer.text
        told = [
            error["detail"]
            for error in answer.json()["errors"]
            if error.get(where) == (name if where == "parameter" else f"/{name}")
        ]
        assert told, answer.text
        assert all(detail.endswith(".") for detail in told)


async def test_a_page_token_of_such_a_year_is_refused(house: House) -> None:
    for token in ("999999999999-1", "1-999999999999999999"):
        answer = await house.http.get(
            f"/v1/accounts/{TENANT.id}/call-records", params={"page_token": token}, headers=house.by("admin")
        )
        assert answer.status_code == 200, "behind the last record there is nothing"
