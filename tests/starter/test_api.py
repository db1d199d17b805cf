"""The API's manners: who may, what is refused and how it is said."""

import asyncio
import gzip
import json
import re
import threading
from typing import Any

import httpx
import pytest

from domain.errors import Refused
from domain.numbers import Grade, NumberRecord, NumberState
from domain.onboarding import Correction, Decision, Outcome, State, UndoResolution
from starter.api import inventory
from starter.problems import KINDS, MOST_ERRORS, pointer
from starter.schemas.numbers import ImportNumbers
from tests.starter.conftest import BASE, OTHER, TENANT, House, an_order_body

DECISIONS = {
    "approve": None,
    "reject": {"reason": "Too much"},
    "cancel": None,
    "resend-activation": None,
    "correct": {"email": "ada@example.org"},
    "take-over": {"consent": "Agreed on the telephone", "terms_accepted": True},
    "retry": None,
    "give-up": None,
    "resolve-undo": {"undo": "release_payment", "resolved": True, "reason": "Paid back by hand"},
    "credentials": None,
}
APPROVALS = {"approve", "reject"}


def the_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a whole RFC 9457 problem of this status and code, and tells nothing internal."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code
    kind = body["type"].removeprefix(f"{BASE}/problems/")
    assert body["title"] == KINDS[kind].title
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", body["instance"])
    assert body["instance"].endswith(response.headers["X-Request-Id"])
    assert body["detail"].endswith((".", "..."))
    for word in ("Traceback", "temporalio", "pydantic", "sqlalchemy", ".py"):
        assert word not in response.text
    return body


@pytest.mark.requirement("S1-03")
async def test_without_a_key_nothing_is_told(house: House) -> None:
    view = house.onboarding()
    for path in ("/v1/onboardings", f"/v1/onboardings/{view.id}", "/v1/numbers", "/v1/plans"):
        response = await house.http.get(path)
        the_problem(response, 401, "unauthenticated")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        unknown = await house.http.get(path, headers={"Authorization": "Bearer dt_unknown"})
        the_problem(unknown, 401, "unauthenticated")
        assert "invalid_token" in unknown.headers["WWW-Authenticate"]


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.requirement("S1-01")
async def test_another_white_label_cannot_tell_that_an_onboarding_exists(house: House, verb: str) -> None:
    view = house.onboarding()
    nowhere = "00000000-0000-4000-8000-000000000000"
    answers = [
        await house.http.post(f"/v1/onboardings/{id_}/{verb}", json=DECISIONS[verb], headers=house.by(by))
        for id_, by in ((view.id, "other"), (nowhere, "admin"))
    ]
    details = {the_problem(answer, 404, "not_found")["detail"] for answer in answers}
    assert len(details) == 1
    assert house.office.told == []


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("role", ["approver", "auditor"])
async def test_a_role_may_do_what_its_rights_say_and_no_more(house: House, verb: str, role: str) -> None:
    view = house.onboarding(state=State.ACTIVE if verb == "credentials" else State.AWAITING_APPROVAL)
    response = await house.http.post(f"/v1/onboardings/{view.id}/{verb}", json=DECISIONS[verb], headers=house.by(role))
    if role == "approver" and verb in APPROVALS:
        assert response.status_code == 200
    else:
        the_problem(response, 403, "not_allowed")
        assert house.office.told == []


@pytest.mark.parametrize("role", ["approver", "auditor"])
@pytest.mark.requirement("S1-02")
async def test_only_who_may_onboard_orders_and_imports(house: House, role: str) -> None:
    the_problem(await house.order(by=role), 403, "not_allowed")
    body = {"numbers": ["0121 496 0000"], "region": "GB"}
    the_problem(await house.http.post("/v1/numbers", json=body, headers=house.by(role)), 403, "not_allowed")
    assert house.inventory.imported == {}


async def test_every_decision_reaches_the_workflow_with_its_actor_and_reason(house: House) -> None:
    actor = house.identities.known[house.keys["admin"]].id
    expected: dict[str, Any] = {
        "approve": ("approve", Decision(actor=actor, person="person:0", reason="Fine")),
        "reject": ("reject", Decision(actor=actor, person="person:0", reason="Fine")),
        "resend-activation": ("resend_activation", Decision(actor=actor, person="person:0", reason="Fine")),
        "correct": ("correct", Correction(actor=actor, reason="Fine", email="ada@example.org")),
        "retry": ("retry", Decision(actor=actor, person="person:0", reason="Fine")),
        "resolve-undo": ("resolve_undo", UndoResolution(actor=actor, undo="release_payment", resolved=True, reason="Fine")),
        "give-up": ("give_up", Decision(actor=actor, person="person:0", reason="Fine")),
    }
    for verb, told in expected.items():
        view = house.onboarding()
        body = {**(DECISIONS[verb] or {}), "reason": "Fine"}
        response = await house.http.post(f"/v1/onboardings/{view.id}/{verb}", json=body, headers=house.by("admin"))
        assert response.status_code == 200, response.text
        assert response.json()["id"] == view.id
        assert house.office.told[-1] == told


@pytest.mark.parametrize(
    ("code", "status"),
    [("not_waiting", 409), ("already_decided", 409), ("already_finished", 409), ("approver_is_requester", 403)],
)
async def test_a_no_of_the_workflow_keeps_its_code_and_its_sentence(house: House, code: str, status: int) -> None:
    view = house.onboarding()
    house.office.refuse = Refused("There is a reason for it.", code=code)
    response = await house.http.post(f"/v1/onboardings/{view.id}/approve", headers=house.by("approver"))
    assert the_problem(response, status, code)["detail"] == "There is a reason for it."


async def test_without_a_worker_a_decision_is_503_and_reading_goes_on(house: House) -> None:
    view = house.onboarding()
    house.office.absent = True
    for method, path in (("POST", "cancel"), ("GET", "status")):
        response = await house.http.request(method, f"/v1/onboardings/{view.id}/{path}", headers=house.by("admin"))
        the_problem(response, 503, "worker_unavailable")
        assert response.headers["Retry-After"] == "5"
    assert (await house.http.get(f"/v1/onboardings/{view.id}", headers=house.by("auditor"))).status_code == 200


async def test_the_idempotency_key_is_asked_for(house: House) -> None:
    missing = await house.http.post("/v1/onboardings", json=an_order_body(), headers=house.by("admin"))
    the_problem(missing, 400, "idempotency_key_missing")
    for wrong in ("x" * 256, '""', '"  "'):
        the_problem(await house.order(key=wrong), 400, "idempotency_key_invalid")


@pytest.mark.parametrize(("path", "most"), [("/v1/onboardings", 128_000), ("/v1/numbers", 1_000_000)])
async def test_a_body_over_its_bound_is_not_read(house: House, path: str, most: int) -> None:
    headers = house.by("platform", **{"Idempotency-Key": "big", "Content-Type": "application/json"})
    told = await house.http.post(path, content=b'"' + b"x" * (most - 1) + b'"', headers=headers)
    the_problem(told, 413, "too_large")

    async def endless() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    untold = await house.http.post(path, content=endless(), headers=headers)
    the_problem(untold, 413, "too_large")
    bearable = await house.http.post(path, content=b'"' + b"x" * (most - 2) + b'"', headers=headers)
    the_problem(bearable, 422, "invalid_request")


@pytest.mark.parametrize("path", ["/v1/onboardings", "/v1/order-checks", "/v1/numbers", "/v1/bulk-runs"])
async def test_a_compressed_body_is_refused_in_a_sentence_and_one_that_is_not_is_read(house: House, path: str) -> None:
    kind = "text/csv" if path == "/v1/bulk-runs" else "application/json"
    by = "admin" if path == "/v1/bulk-runs" else "platform"
    headers = house.by(by, **{"Idempotency-Key": "gz", "Content-Type": kind})
    body = gzip.compress(b"customer.name\nx\n" if kind == "text/csv" else b"{}")
    for coding in ("gzip", "GZIP", "br", "gzip, identity"):
        refused = await house.http.post(path, content=body, headers={**headers, "Content-Encoding": coding})
        assert "Content-Encoding" in the_problem(refused, 415, "content_encoded")["detail"]
        assert refused.headers["Accept-Encoding"] == "identity"
    plain = await house.http.post("/v1/order-checks", content=b"{}", headers={**headers, "Content-Encoding": "identity"})
    assert plain.status_code != 415
    looked = await house.http.get("/v1/onboardings", headers={**house.by("auditor"), "Content-Encoding": "gzip"})
    assert looked.status_code == 200, "nothing was sent that could be compressed"


@pytest.mark.parametrize(
    "path", ["/v1/onboardings", "/v1/numbers", "/v1/onboardings/00000000-0000-4000-8000-000000000000/cancel"]
)
async def test_the_body_of_somebody_unknown_is_not_even_read(house: House, path: str) -> None:
    read = []

    async def body() -> Any:
        read.append(path)
        yield b"{"

    for headers in ({}, {"Authorization": "Bearer dt_nobody"}):
        the_problem(await house.http.post(path, content=body(), headers=headers), 401, "unauthenticated")
    assert read == []


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff\xfe", b'{"a": NaN'])
async def test_what_is_not_json_is_a_bad_request(house: House, content: bytes) -> None:
    headers = house.by("admin", **{"Idempotency-Key": "k", "Content-Type": "application/json"})
    the_problem(await house.http.post("/v1/onboardings", content=content, headers=headers), 400, "bad_request")


async def test_a_wrong_body_is_told_all_its_faults_at_once_with_pointers(house: House) -> None:
    body = an_order_body(payer="somebody", services=[{"label": "", "a/b~c": 1}])
    body["customer"]["contact"]["email"] = "nobody"
    body["customer"]["time_zone"] = "Europe/Atlantis"
    response = await house.order(body)
    problem = the_problem(response, 422, "invalid_request")
    places = {error["pointer"]: error for error in problem["errors"]}
    assert set(places) == {
        "/customer/contact/email",
        "/customer/time_zone",
        "/payer",
        "/services/0/label",
        "/services/0/a~1b~0c",
    }
    assert places["/customer/time_zone"]["detail"] == "This is not an IANA time zone; write for example Europe/London."
    assert "nobody" not in response.text, "what was sent is not sent back"


@pytest.mark.parametrize("where", ["key", "value"])
async def test_half_a_character_is_refused_wherever_it_stands(house: House, where: str) -> None:
    body = an_order_body(**({"\ud800": 1} if where == "key" else {"plan": "\ud800"}))
    headers = house.by("admin", **{"Idempotency-Key": "k", "Content-Type": "application/json"})
    response = await house.http.post("/v1/onboardings", content=json.dumps(body), headers=headers)
    the_problem(response, 422, "invalid_request")


def test_pointers_are_escaped_as_rfc_6901_says() -> None:
    assert pointer(["a/b", "m~n", 0]) == "/a~1b/m~0n/0"
    assert pointer([]) == ""
    assert pointer(["numbers", "x", "[key]"]) == "/numbers/x"


async def test_an_unknown_address_and_an_unknown_method_are_problems_too(house: House) -> None:
    the_problem(await house.http.get("/v2/onboardings"), 404, "not_found")
    the_problem(await house.http.get("/v1/onboardings/not-an-id", headers=house.by("admin")), 404, "not_found")
    response = await house.http.delete("/v1/onboardings")
    the_problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= {method.strip() for method in response.headers["Allow"].split(",")}


async def test_a_body_of_mistakes_is_not_answered_by_a_flood(house: House) -> None:
    body = an_order_body(**{f"surprise{number}": 1 for number in range(MOST_ERRORS + 50)})
    problem = the_problem(await house.order(body), 422, "invalid_request")
    assert len(problem["errors"]) == MOST_ERRORS
    assert problem["detail"] == f"{MOST_ERRORS + 50} things in the request must be mended. The first {MOST_ERRORS} are told."


async def test_an_unforeseen_error_tells_nothing_and_logs_no_personal_data(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("ada@example.com has no such column")

    view = house.onboarding()
    monkeypatch.setattr(house.reader, "get", broken)
    response = await house.http.get(f"/v1/onboardings/{view.id}", headers=house.by("admin"))
    problem = the_problem(response, 500, "internal")
    assert "ada" not in response.text + caplog.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert problem["instance"].endswith(vars(record)["request_id"])
    assert vars(record)["error"] == "RuntimeError"
    assert "test_api.py" in vars(record)["where"]


async def test_every_kind_of_problem_has_its_page(house: House) -> None:
    for code, kind in KINDS.items():
        page = await house.http.get(f"/problems/{code}")
        assert page.status_code == 200
        assert kind.title in page.text
    assert (await house.http.get("/problems/nothing")).status_code == 404


async def test_a_list_shows_ones_own_newest_first_in_pages(house: House) -> None:
    views = [house.onboarding() for _ in range(5)]
    house.onboarding(tenant_id=OTHER.id)
    first = (await house.http.get("/v1/onboardings?page_size=3", headers=house.by("auditor"))).json()
    again = f"/v1/onboardings?page_size=3&page_token={first['next_page_token']}"
    second = (await house.http.get(again, headers=house.by("auditor"))).json()
    assert [item["id"] for item in first["items"] + second["items"]] == [view.id for view in views]
    assert second["next_page_token"] is None
    other_filter = await house.http.get(f"{again}&state=held", headers=house.by("auditor"))
    the_problem(other_filter, 400, "page_token_invalid")
    the_problem(await house.http.get("/v1/onboardings?page_token=%00", headers=house.by("auditor")), 400, "page_token_invalid")


async def test_a_page_size_is_coerced_not_refused(house: House) -> None:
    for _ in range(105):
        house.onboarding()
    page = (await house.http.get("/v1/onboardings?page_size=100000", headers=house.by("auditor"))).json()
    assert len(page["items"]) == 100


async def test_a_misspelt_filter_does_not_list_everything(house: House) -> None:
    house.onboarding()
    response = await house.http.get("/v1/onboardings?sate=held&sate=held", headers=house.by("auditor"))
    problem = the_problem(response, 422, "invalid_request")
    assert [error["parameter"] for error in problem["errors"]] == ["sate"]


@pytest.mark.parametrize("truth", ["yes", 1, "true"])
async def test_only_true_is_true(house: House, truth: object) -> None:
    problem = the_problem(await house.order(an_order_body(terms_accepted=truth)), 422, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/terms_accepted"


async def test_the_platform_sees_all_white_labels_or_the_one_it_names(house: House) -> None:
    house.onboarding()
    theirs = house.onboarding(tenant_id=OTHER.id)
    everything = (await house.http.get("/v1/onboardings", headers=house.by("platform"))).json()
    named = (await house.http.get("/v1/onboardings?white_label=northway", headers=house.by("platform"))).json()
    assert len(everything["items"]) == 2
    assert [item["id"] for item in named["items"]] == [theirs.id]
    foreign = await house.http.get("/v1/onboardings?white_label=northway", headers=house.by("admin"))
    the_problem(foreign, 404, "not_found")


async def test_one_onboarding_is_shown_whole(house: House) -> None:
    view = house.onboarding(state=State.DECLINED, outcome=Outcome(state=State.DECLINED, code="card_declined"))
    body = (await house.http.get(f"/v1/onboardings/{view.id}", headers=house.by("auditor"))).json()
    assert body["tm_forum_state"] == "cancelled"
    assert body["outcome"]["code"] == "card_declined"
    assert body["links"]["events"] == f"/v1/onboardings/{view.id}/events"
    assert "fingerprint" not in body, "it would recognise a body that somebody guesses"


async def test_the_passwords_are_shown_when_the_service_is_active_and_not_before(house: House) -> None:
    waiting, active = house.onboarding(), house.onboarding(state=State.ACTIVE)
    path = "/v1/onboardings/{}/credentials"
    the_problem(await house.http.post(path.format(waiting.id), headers=house.by("admin")), 409, "not_active")
    response = await house.http.post(path.format(active.id), headers=house.by("admin"))
    (line,) = response.json()["items"]
    assert line["numbers"] == ["+441214960000"]
    assert line["domain"] == TENANT.sip_domain
    assert line["password"] == house.secrets.device_password(line["username"], TENANT.sip_domain)
    assert response.headers["Cache-Control"] == "no-store"


async def test_numbers_are_imported_row_by_row_and_importing_again_changes_nothing(house: House) -> None:
    body = {
        "numbers": ["0121 496 0000", "+44 121 496 0001", "0121-496-0000", "nonsense", ""],
        "region": "GB",
        "white_label": TENANT.slug,
    }
    report = (await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))).json()
    assert [row["result"] for row in report["rows"]] == ["accepted", "accepted", "repeated", "invalid", "invalid"]
    assert (report["accepted"], report["added"], report["invalid"]) == (2, 2, 2)
    assert report["rows"][0]["e164"] == "+441214960000"
    assert house.inventory.imported == {TENANT.id: {"+441214960000", "+441214960001"}}
    again = (await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))).json()
    assert (again["accepted"], again["added"]) == (2, 0)


async def test_what_is_dialled_within_one_town_only_is_no_number(house: House) -> None:
    body = {"numbers": ["555 0123", "202 555 0123"], "region": "US", "white_label": TENANT.slug}
    report = (await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))).json()
    assert [row["result"] for row in report["rows"]] == ["invalid", "accepted"]
    assert house.inventory.imported == {TENANT.id: {"+12025550123"}}


async def test_what_a_british_town_dials_within_itself_is_no_number(house: House) -> None:
    texts = ["496 0000", "121 4960", "0121 496 0000", "016977 2345"]
    body = {"numbers": texts, "region": "GB", "white_label": TENANT.slug}
    report = (await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))).json()
    assert [row["result"] for row in report["rows"]] == ["invalid", "invalid", "accepted", "accepted"]
    assert house.inventory.imported == {TENANT.id: {"+441214960000", "+44169772345"}}


async def test_a_white_label_cannot_take_numbers_by_importing_them(house: House) -> None:
    body = {"numbers": ["0121 496 0000"], "region": "GB"}
    for named in ({}, {"white_label": TENANT.slug}):
        answer = await house.http.post("/v1/numbers", json=body | named, headers=house.by("admin"))
        assert "key of the platform" in the_problem(answer, 403, "not_allowed")["detail"]
    nobodys = await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))
    the_problem(nobodys, 422, "invalid_request")
    assert house.inventory.imported == {}


async def test_others_are_answered_while_the_rows_of_an_import_are_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, answered, read = threading.Event(), threading.Event(), inventory._read

    def slow(body: ImportNumbers) -> object:
        """Reads when somebody else has been answered."""
        begun.set()
        assert answered.wait(20), "nobody was answered meanwhile"
        return read(body)

    monkeypatch.setattr(inventory, "_read", slow)
    rows = {"numbers": ["0121 496 0000"], "region": "GB", "white_label": TENANT.slug}
    importing = asyncio.create_task(house.http.post("/v1/numbers", json=rows, headers=house.by("platform")))
    assert await asyncio.to_thread(begun.wait, 20)
    assert (await house.http.get("/healthz")).status_code == 200
    answered.set()
    assert (await importing).json()["accepted"] == 1


async def test_a_number_of_another_white_label_is_refused_without_saying_whose_it_is(house: House) -> None:
    await house.inventory.import_numbers(OTHER.id, ["+441214960000"])
    body = {"numbers": ["+441214960000", "+441214960001"], "region": "GB", "white_label": TENANT.slug}
    response = await house.http.post("/v1/numbers", json=body, headers=house.by("platform"))
    report = response.json()
    assert [row["result"] for row in report["rows"]] == ["refused", "accepted"]
    assert (report["accepted"], report["added"], report["invalid"]) == (1, 1, 1)
    assert OTHER.name not in response.text


async def test_the_inventory_is_searched_by_prefix_and_state(house: House) -> None:
    house.reader.numbers = [
        NumberRecord(e164="+441214960000", grade=Grade.GOLD, state=NumberState.AVAILABLE),
        NumberRecord(e164="+442079460000", grade=Grade.GOLD, state=NumberState.HELD),
    ]
    found = await house.http.get("/v1/numbers", params={"prefix": "+4420", "state": "held"}, headers=house.by("auditor"))
    assert [item["e164"] for item in found.json()["items"]] == ["+442079460000"]
    wrong = await house.http.get("/v1/numbers", params={"prefix": "0121"}, headers=house.by("auditor"))
    assert the_problem(wrong, 422, "invalid_request")["errors"][0]["parameter"] == "prefix"


async def test_plans_are_listed_with_the_default_first(house: House) -> None:
    body = (await house.http.get("/v1/plans", headers=house.by("auditor"))).json()
    assert body["white_label"] == TENANT.slug
    assert [plan["code"] for plan in body["plans"]] == ["office-20"]


async def test_a_key_and_a_price_list_are_looked_up_once_in_a_while(house: House) -> None:
    for _ in range(5):
        await house.http.get("/v1/plans", headers=house.by("auditor"))
    assert house.identities.asked == 1


async def test_health_is_of_the_process_and_readiness_of_what_it_needs(house: House) -> None:
    async def answers() -> None:
        return None

    async def silent() -> None:
        raise ConnectionError("postgresql://user:password@host")

    probes = {"database": answers, "temporal": answers}
    object.__setattr__(house.services, "probes", probes)
    assert (await house.http.get("/healthz")).json() == {"status": "ok"}
    ready = await house.http.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "temporal": "ok"})
    probes["temporal"] = silent
    unready = await house.http.get("/readyz")
    assert (unready.status_code, unready.json()["checks"]) == (503, {"database": "ok", "temporal": "unavailable"})
    assert "password" not in unready.text
    assert (await house.http.get("/healthz")).status_code == 200


async def test_the_documentation_needs_nothing_from_elsewhere(house: House) -> None:
    page = await house.http.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text.replace(BASE, "")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    document = (await house.http.get("/openapi.json")).json()
    for path in document["paths"]:
        assert path in page.text
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    assert "``" not in text
    assert not re.search(r"\((C|S)\d", text), "no reference to our requirements"
    assert (await house.http.get("/static/dialtone.css")).status_code == 200
