"""A draft section by section: in order, each saved by itself, nothing lost, findings where they are mended."""

from typing import Any

import httpx
import pytest

from domain.forms import PROFILES
from tests.drafts.conftest import CUSTOMER, PAID, TENANT, Desk, codes, section, states
from tests.numbers.conftest import DRAMA

WIZARD = ["customer", "service", "numbers", "settings", "billing", "creation", "notifications"]


@pytest.mark.requirement("S3-05", "S3-06", "S3-07", "S3-42")
async def test_next_and_back_walk_the_seven_sections_and_nothing_entered_is_lost(desk: Desk) -> None:
    draft = await desk.begin()
    entered: dict[str, Any] = {
        "customer": CUSTOMER,
        "service": {"services": [{"label": "Front desk"}, {"label": "Back office", "max_channels": 4}]},
        "numbers": {"services": [{"numbers": {"criteria": {"count": 2, "prefix": "0121"}}}, {}]},
        "settings": {"services": [{}, {"settings": [{"number": 0, "destination": "voicemail"}]}]},
        "billing": PAID,
        "creation": {"terms_accepted": True},
        "notifications": {},
    }
    walked = []
    for name in WIZARD:
        here = await desk.draft(draft)
        walked.append(here["place"])
        assert here["place"] == name
        await desk.save(draft, name, entered[name])
        if here["next"]:
            await desk.go(draft, "next")
    assert walked == WIZARD
    last = await desk.ask("POST", f"/v1/drafts/{draft}/next")
    assert (last.status_code, last.json()["code"]) == (409, "last_section")
    for name in reversed(WIZARD[:-1]):
        back = await desk.go(draft, "back")
        assert back["place"] == name
        shown = {part["name"]: part["entered"] for part in back["sections"]}
        assert shown["customer"] == CUSTOMER
        assert shown["service"] == entered["service"]
        assert shown["billing"] == PAID
        assert shown["settings"]["services"][1] == entered["settings"]["services"][1]
        assert shown["numbers"]["services"][0] == entered["numbers"]["services"][0]
    assert back["back"] is None
    forward = await desk.go(draft, "next", to="creation")
    assert (forward["place"], (await desk.go(draft, "back", to="service"))["place"]) == ("creation", "service")


@pytest.mark.requirement("S3-44", "S3-42")
async def test_one_goes_back_to_the_section_at_fault_mends_it_and_returns(desk: Desk) -> None:
    draft = await desk.ready()
    await desk.go(draft, "next", to="creation")
    wrong = await desk.save(draft, "billing", PAID | {"plan": "gold-plated"})
    assert not wrong["valid"]
    (finding,) = section(wrong, "billing")["findings"]
    assert (finding["code"], finding["section"], finding["pointer"]) == ("unknown_plan", "billing", "/plan")
    assert states(wrong)["billing"] == "has_errors"
    refused = await desk.submit(draft)
    assert (refused.status_code, refused.json()["errors"][0]["section"]) == (422, "billing")
    assert (await desk.go(draft, "back", to=finding["section"]))["place"] == "billing"
    mended = await desk.save(draft, "billing", PAID | {"plan": "office-50"})
    assert (mended["valid"], states(mended)["billing"]) == (True, "done")
    assert (await desk.go(draft, "next", to="creation"))["place"] == "creation"
    assert (await desk.submit(draft)).status_code == 202


@pytest.mark.requirement("S1-05", "S1-06")
async def test_a_form_of_three_parts_asks_in_the_first_who_will_administer(desk: Desk) -> None:
    await desk.database.admin.put_tenant(TENANT.model_copy(update={"form": PROFILES["white-label"]}), 10_000_000)
    draft = await desk.begin()
    assert list(states(await desk.draft(draft))) == ["business", "address", "plan_and_payment"]
    whole = CUSTOMER["customer"]
    address = {"customer": {"billing_address": whole["billing_address"]}}  # type: ignore[index]
    business = {"name": whole["name"], "contact": whole["contact"]}  # type: ignore[index]
    astray = await desk.put(draft, "business", {"customer": whole})
    assert astray.status_code == 422
    assert {error["pointer"] for error in astray.json()["errors"]} == {
        "/customer/billing_address", "/customer/service_address",
    }  # fmt: skip
    assert "section address" in astray.json()["errors"][0]["detail"]
    both = await desk.save(draft, "business", {"customer": business, "administration": ["customer", "operator"]})
    assert states(both)["business"] == "has_errors", "exactly one answer"
    assert [finding["pointer"] for finding in section(both, "business")["findings"]] == ["/administration"]
    await desk.save(draft, "business", {"customer": business, "administration": "operator"})
    asked = await desk.save(draft, "plan_and_payment", PAID | {"plan": "office-20", "terms_accepted": True})
    assert codes(asked, "address") == ["field_required"]
    assert not asked["valid"]
    ready = await desk.save(draft, "address", address)
    assert (ready["valid"], set(states(ready).values())) == (True, {"done"})
    submitted = await desk.submit(draft)
    assert submitted.status_code == 202
    (begun,) = desk.counter.taken.values()
    assert (begun.order.administration.value, begun.order.services) == ("operator", ())


@pytest.mark.requirement("S2-15")
async def test_a_form_has_the_sections_customer_settings_billing_and_address(desk: Desk) -> None:
    await desk.database.admin.put_tenant(TENANT.model_copy(update={"form": PROFILES["reseller"]}), 10_000_000)
    draft = await desk.begin()
    assert list(states(await desk.draft(draft))) == ["customer_settings", "billing", "address"]
    customer = {"name": "Harbour Books Ltd", "contact": {"full_name": "Ada Reed", "email": "ada@harbour.example.com"}}
    await desk.save(draft, "customer_settings", {"customer": customer, "administration": "operator"})
    saved = await desk.save(draft, "billing", PAID | {"terms_accepted": True})
    assert codes(saved, "address") == ["field_required"], "the billing e-mail address, in the section that has it (S2-27)"
    done = await desk.save(draft, "address", {"customer": {"billing_email": "accounts@example.com"}})
    assert done["valid"]
    assert section(done, "customer_settings")["entered"]["customer"] == customer, "sections of one customer stay apart"


@pytest.mark.requirement("S3-15", "S3-16")
async def test_creating_only_an_account_passes_over_numbers_and_settings_and_can_be_undone(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.add(draft, DRAMA[1])
    settings = {"services": [{"settings": [{"number": 0, "destination": "forward", "forward_to": "+441214960999"}]}]}
    before = await desk.save(draft, "settings", settings)
    only = await desk.save(draft, "service", {"only_account": True, "services": [{"label": "Front desk"}]})
    assert (states(only)["numbers"], states(only)["settings"], only["valid"]) == ("passed_over", "passed_over", True)
    assert only["price"]["total_minor"] < before["price"]["total_minor"], "what is passed over is not ordered"
    await desk.go(draft, "next")
    passed = await desk.go(draft, "next")
    assert (passed["place"], (await desk.go(draft, "back"))["place"]) == ("billing", "service")
    into = await desk.ask("POST", f"/v1/drafts/{draft}/next", json={"to": "numbers"})
    assert (into.status_code, into.json()["code"]) == (409, "section_passed_over")
    undone = await desk.save(draft, "service", {"services": [{"label": "Front desk"}]})
    assert section(undone, "settings")["entered"] == settings
    assert section(undone, "numbers")["entered"] == {"services": [{"numbers": {"explicit": [DRAMA[1]]}}]}
    assert undone["price"] == before["price"]
    await desk.save(draft, "service", {"only_account": True, "services": [{"label": "Front desk"}]})
    assert (await desk.submit(draft)).status_code == 202
    (begun,) = desk.counter.taken.values()
    assert (begun.order.services, begun.order.basket) == ((), None)


@pytest.mark.requirement("S3-11")
async def test_next_is_refused_while_what_the_form_asks_for_before_going_on_is_empty(desk: Desk) -> None:
    await desk.database.admin.put_tenant(TENANT.model_copy(update={"form": PROFILES["wizard"]}), 10_000_000)
    draft = await desk.begin()
    refused = await desk.ask("POST", f"/v1/drafts/{draft}/next")
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} == {"/customer/given_name", "/customer/family_name"}
    assert (await desk.draft(draft))["place"] == "customer"
    await desk.save(draft, "customer", {"customer": {"given_name": "Ada", "family_name": "Reed"}})
    assert (await desk.go(draft, "next"))["place"] == "service"


@pytest.mark.requirement("S3-09")
async def test_every_change_of_an_option_evaluates_the_draft_anew(desk: Desk) -> None:
    draft = await desk.begin()
    told = codes(await desk.save(draft, "customer", CUSTOMER | {"administration": "customer"}), "customer")
    assert "activated_by_customer" in told
    assert "terms_not_accepted" not in codes(await desk.draft(draft), "creation")
    changed = await desk.save(draft, "customer", CUSTOMER)
    assert "activated_by_customer" not in codes(changed, "customer")
    assert "terms_not_accepted" in codes(changed, "creation")
    limited = await desk.save(draft, "billing", {"credit_limit_minor": 5000})
    assert "credit_limit_not_counted" in codes(limited, "billing")
    postpaid = await desk.save(draft, "billing", {"credit_limit_minor": 5000, "account_type": "postpaid"})
    assert "credit_limit_not_counted" not in codes(postpaid, "billing")


async def test_whatever_is_entered_is_kept_and_told_where_it_is_wrong(desk: Desk) -> None:
    draft = await desk.begin()
    customer = {"customer": {"name": 7, "contact": {"full_name": "", "email": "nobody"}, "billing_address": {"lines": "x"}}}
    saved = await desk.save(draft, "customer", customer)
    assert section(saved, "customer")["entered"] == customer
    places = {finding["pointer"] for finding in section(saved, "customer")["findings"]}
    assert {
        "/customer/name",
        "/customer/contact/full_name",
        "/customer/contact/email",
        "/customer/billing_address/lines",
    } <= places
    assert (states(saved)["customer"], states(saved)["service"]) == ("has_errors", "empty")
    some = await desk.save(draft, "customer", {"customer": {"name": "Harbour Books Ltd"}})
    assert (states(some)["customer"], some["valid"]) == ("incomplete", False)
    assert some["price"]["total_minor"] == 3000, "the set-up of the first plan, before anything is complete"
    unknown_number = await desk.save(draft, "service", {"services": [{}]})
    assert unknown_number["price"]["total_minor"] == 4800
    named = await desk.save(draft, "numbers", {"services": [{"numbers": {"explicit": ["not a number", "+441214960001"]}}]})
    assert [f["pointer"] for f in section(named, "numbers")["findings"]] == [
        "/services/0/numbers/explicit/0", "/services/0/numbers/explicit/1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("billing", {"plna": "office-20"}, "/plna"),
        ("billing", {"terms_accepted": True}, "/terms_accepted"),
        ("customer", {"pin": "1234"}, "/pin"),
        ("customer", {"password": "a password in clear"}, "/password"),
        ("billing", {"invoicing": {"schdule": "monthly"}}, "/invoicing/schdule"),
        ("customer", {"customer": {"contact": {"fax": "1"}}}, "/customer/contact/fax"),
        ("customer", {"customer": "Ada"}, "/customer"),
        ("service", {"services": {"label": "x"}}, "/services"),
        ("service", {"services": ["x"]}, "/services/0"),
        ("service", {"services": [{}] * 51}, "/services"),
        ("numbers", {"basket": "2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"}, "/basket"),
        ("numbers", {"services": [{"numbers": {"explcit": []}}]}, "/services/0/numbers/explcit"),
    ],
)
async def test_what_has_no_place_is_refused_and_nothing_is_saved(desk: Desk, name: str, body: Any, pointer: str) -> None:
    draft = await desk.begin()
    refused = await desk.put(draft, name, body)
    assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, [pointer])
    assert (await desk.draft(draft))["revision"] == 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b'{"plan": NaN}', 400),
        (b'{"plan": 1e999}', 400),
        (b'{"plan": "\\ud800"}', 400),
        (b"[]", 422),
        (b'{"plan": ' + b"[" * 60 + b"]" * 60 + b"}", 422),
        (b'{"plan": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
        (b'{"plan": "' + b"x" * 200_000 + b'"}', 413),
        ('{"plan": "\\u0000\u202e"}'.encode(), 200),
        (b'{"credit_limit_minor": 123456789012345678901234567890}', 200),
    ],
    ids=["broken", "nan", "infinity", "surrogate", "list", "deep", "bottomless", "large", "control", "huge"],
)
async def test_only_what_is_no_json_or_too_much_is_refused(desk: Desk, raw: bytes, status: int) -> None:
    draft = await desk.begin()
    headers = {"Authorization": f"Bearer {desk.keys['admin']}", "Content-Type": "application/json"}
    answer = await desk.http.put(f"/v1/drafts/{draft}/sections/billing", content=raw, headers=headers)
    assert answer.status_code == status, answer.text
    assert (await desk.draft(draft))["revision"] == (2 if status == 200 else 1)


async def test_services_that_are_taken_away_and_put_back_have_their_numbers_again(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.save(draft, "service", {"services": [{"label": "One"}, {"label": "Two"}]})
    assert (await desk.add(draft, DRAMA[2], service=1)).status_code == 200
    fewer = await desk.save(draft, "service", {"services": [{"label": "One"}]})
    assert codes(fewer, "numbers") == ["service_not_there"]
    assert await desk.state(DRAMA[2]) == "available", "what is not ordered is not held"
    assert (await desk.submit(draft)).json()["code"] == "warnings_not_acknowledged"
    again = await desk.save(draft, "service", {"services": [{"label": "One"}, {"label": "Two"}]})
    assert (codes(again, "numbers"), await desk.state(DRAMA[2])) == ([], "held")


async def test_an_identity_number_is_shown_by_its_end_only_and_stays_what_it_is_when_that_is_saved_back(desk: Desk) -> None:
    draft = await desk.ready()
    customer: dict[str, Any] = CUSTOMER["customer"]  # type: ignore[assignment]

    async def save(number: object) -> httpx.Response:
        return await desk.put(draft, "customer", CUSTOMER | {"customer": customer | {"identity_number": number}})

    for answer in (await save("QQ 12 34 56 C"), await save("XXXXXXXXXXX C"), await desk.ask("GET", f"/v1/drafts/{draft}")):
        assert answer.status_code == 200, answer.text
        assert "12 34" not in answer.text
        assert section(answer.json(), "customer")["entered"]["customer"]["identity_number"] == "XXXXXXXXXXX C"
    refused = await save("XXXXXXXXX99")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/customer/identity_number")
    wrong = await save(123456789)
    assert (codes(wrong.json()), "1234" in wrong.text) == (["string_type"], False), "what is wrong is kept, and as little shown"
    await save("QQ 12 34 56 C")
    submitted = await desk.submit(draft)
    assert (submitted.status_code, "12 34" in submitted.text) == (202, False), submitted.text
    (begun,) = desk.counter.taken.values()
    assert begun.order.customer.identity_number == "QQ 12 34 56 C"
