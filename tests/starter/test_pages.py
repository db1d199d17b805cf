"""The customer's pages, read as a browser without JavaScript reads them."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from domain.errors import Unavailable
from domain.onboarding import Activation, Outcome, State
from domain.orders import AccountType, Administration, Payer
from starter.pages import PASSWORDS_SHOWN_FOR
from tests.builders import an_order
from tests.starter.conftest import BASE, GATEWAY, TENANT, House

FORM = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
ACCEPTED = {"accepted": "yes", "terms": TENANT.terms.sha256}


class _Reading(HTMLParser):
    """Title, headings, forms and what would be loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.title, self.heading, self._in = "", "", ""
        self.forms: list[dict[str, Any]] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in = tag if tag in {"title", "h1"} else self._in
        if tag == "form":
            self.forms.append({"action": given["action"], "method": given["method"], "fields": {}})
        if tag == "input":
            self.forms[-1]["fields"][given["name"]] = given
        for name in ("src", "href"):
            if given.get(name) and tag in {"script", "link", "img"}:
                self.loaded.append(str(given[name]))
        assert "style" not in given, "a style attribute is refused by the page's own policy"
        assert not any(name.startswith("on") for name in given)

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == self._in else self._in

    def handle_data(self, data: str) -> None:
        if self._in == "title":
            self.title += data
        if self._in == "h1":
            self.heading += data


def page(response: httpx.Response, status: int = 200) -> _Reading:
    """The page, with the headers that every one of them must carry."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {GATEWAY}" in policy
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert "noindex" in response.headers["X-Robots-Tag"]
    reading = _Reading(response.text)
    assert all(path.startswith("/static/") for path in reading.loaded)
    assert reading.heading
    return reading


async def test_the_page_shows_the_order_its_price_its_terms_and_its_deadline(house: House) -> None:
    view = house.onboarding()
    response = await house.http.get(house.link(view))
    reading = page(response)
    text = re.sub(r"<[^>]+>", "", response.text)
    for fact in (
        "Harbour Books Ltd",
        "Brumtel",
        "+44 121 496 0000",
        "£25.00",
        "£15.00",
        "£2.00",
        "£8.40",
        "£50.40",
        "20 %",
        TENANT.terms.text,
    ):
        assert fact in text
    assert "6 December 2026, 14:00 (Europe/London)" in text
    (form,) = reading.forms
    assert form["method"] == "post"
    assert form["fields"]["terms"]["value"] == TENANT.terms.sha256
    assert "checked" not in form["fields"]["accepted"], "nobody accepts by doing nothing"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing_however_often(house: House, method: str) -> None:
    for state in State:
        waits_for = "customer" if state is State.AWAITING_PAYMENT else None
        view = house.onboarding(state=state, waits_for=waits_for, outcome=Outcome(state=state) if state.is_final else None)
        before = house.reader.rows[view.id]
        for path in ("", "/card?session=cs_1", "?sent=1"):
            response = await house.http.request(method, house.link(view) + path)
            assert response.status_code in {200, 303, 410}, (state, path, response.text)
        assert house.reader.rows[view.id] is before
    assert house.office.told == []
    assert house.cards.begun == []


async def test_accepting_activates_and_leads_to_the_gateways_page(house: House) -> None:
    view = house.onboarding()
    link = house.link(view)
    response = await house.http.post(link, data=ACCEPTED, headers=FORM)
    assert response.status_code == 303
    assert response.headers["Location"] == f"{GATEWAY}/pay/cs_1"
    ((update, activation),) = house.office.told
    assert update == "activate"
    assert isinstance(activation, Activation)
    assert activation.generation == 1
    assert activation.terms.sha256 == TENANT.terms.sha256
    assert (activation.terms.capacity, activation.terms.accepted_by) == ("self", "customer")
    assert activation.terms.address == "127.0.0.1"
    assert house.cards.begun == [(view.id, 1, f"{BASE}{link}/card", f"{BASE}{link}")]


async def test_a_customer_whose_parent_pays_is_not_sent_to_a_card_page(house: House) -> None:
    order = an_order(payer=Payer.PARENT, account_type=AccountType.POSTPAID, administration=Administration.CUSTOMER)
    view = house.onboarding(order=order)
    assert "Accept and start the service" in (await house.http.get(house.link(view))).text
    response = await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    assert response.headers["Location"] == f"{house.link(view)}?sent=1"
    assert house.cards.begun == []


async def test_a_missing_tick_is_said_above_and_at_the_field(house: House) -> None:
    view = house.onboarding()
    response = await house.http.post(house.link(view), data={"terms": TENANT.terms.sha256}, headers=FORM)
    reading = page(response, 422)
    assert reading.title.startswith("Error: ")
    assert response.text.count("Accept the terms and conditions to continue") == 2
    assert 'href="#accepted"' in response.text
    assert "autofocus" in response.text
    assert reading.forms[0]["fields"]["accepted"]["aria-describedby"] == "accepted-error"
    assert house.office.told == []


async def test_terms_that_changed_meanwhile_are_not_accepted_unread(house: House) -> None:
    view = house.onboarding()
    response = await house.http.post(house.link(view), data={"accepted": "yes", "terms": "0" * 64}, headers=FORM)
    assert page(response, 409).title.startswith("Error: ")
    assert "The terms have changed" in response.text
    assert house.office.told == []


async def test_pressing_twice_is_as_good_as_once(house: House) -> None:
    view = house.onboarding()
    await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    again = await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    assert again.status_code == 303
    assert again.headers["Location"] == f"{house.link(view)}?sent=1"
    assert [update for update, _ in house.office.told] == ["activate"]
    assert "Enter your card" in (await house.http.get(again.headers["Location"])).text


async def test_without_a_worker_the_form_comes_back_as_it_was_filled_in(house: House) -> None:
    view = house.onboarding()
    house.office.absent = True
    response = await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    reading = page(response, 503)
    assert "checked" in reading.forms[0]["fields"]["accepted"]
    assert "press the button again in a minute" in response.text


@pytest.mark.parametrize(
    "mangle",
    [
        lambda token: token[:-1],
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.replace(".1.", ".2."),
        lambda token: token + "/extra",
        lambda _: "nonsense",
        lambda _: "00000000-0000-4000-8000-000000000000.1." + "A" * 43,
        lambda _: "%00",
    ],
)
async def test_a_forged_or_broken_link_tells_nothing(house: House, mangle: Any) -> None:
    view = house.onboarding()
    token = house.secrets.activation_token(view.id, 1)
    answers = [
        await house.http.get(f"/activate/{mangle(token)}"),
        await house.http.post(f"/activate/{mangle(token)}", data=ACCEPTED, headers=FORM),
    ]
    for response in answers:
        assert page(response, 404).heading == "This link does not work"
        assert "Harbour" not in response.text
        assert TENANT.name not in response.text
    assert house.office.told == []


async def test_a_genuine_link_to_nothing_looks_like_a_forged_one(house: House) -> None:
    forged = await house.http.get("/activate/nonsense")
    gone = await house.http.get(f"/activate/{house.secrets.activation_token('00000000-0000-4000-8000-000000000000', 1)}")
    assert gone.status_code == 404
    assert gone.text == forged.text


async def test_an_older_link_says_that_a_newer_one_was_sent(house: House) -> None:
    view = house.onboarding(generation=2)
    assert page(await house.http.get(house.link(view, 1)), 410).heading == "This link has been replaced"
    assert page(await house.http.post(house.link(view, 1), data=ACCEPTED, headers=FORM), 410)
    assert house.office.told == []
    assert page(await house.http.get(house.link(view, 2))).heading == "Start your telephone service"


@pytest.mark.parametrize(
    ("state", "code", "heading"),
    [
        (State.EXPIRED, "activation_expired", "This link has expired"),
        (State.EXPIRED, "payment_expired", "This order has expired"),
        (State.CANCELLED, "cancelled", "This order was cancelled"),
        (State.REJECTED, "approval_rejected", "This order was not accepted"),
        (State.DECLINED, "card_declined", "The order could not be paid"),
        (State.FAILED, "gave_up", "We could not set up your service"),
    ],
)
async def test_a_closed_order_says_why_and_whom_to_ask(house: House, state: State, code: str, heading: str) -> None:
    view = house.onboarding(state=state, outcome=Outcome(state=state, code=code))
    response = await house.http.get(house.link(view))
    assert page(response, 410).heading == heading
    assert TENANT.support_email in response.text
    pressed = await house.http.post(house.link(view), data=ACCEPTED, headers=FORM, follow_redirects=True)
    assert page(pressed, 410).heading == heading


async def test_after_activation_the_card_page_is_offered_again(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    reading = page(await house.http.get(house.link(view)))
    assert reading.forms[0]["action"] == f"{house.link(view)}/card/begin"
    response = await house.http.post(reading.forms[0]["action"], headers=FORM)
    assert response.headers["Location"] == f"{GATEWAY}/pay/cs_1"


async def test_a_declined_card_is_said_and_the_next_visit_is_a_new_one(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    house.reader.note(view.id, "payment_declined", State.AWAITING_PAYMENT, code="insufficient_funds", attempt="1")
    house.office.attempts[view.id] = 2
    response = await house.http.get(house.link(view))
    assert page(response).heading == "Enter another card"
    assert "There was not enough money on the card" in response.text
    begun = await house.http.post(f"{house.link(view)}/card/begin", headers=FORM)
    assert begun.headers["Location"] == f"{GATEWAY}/pay/cs_2"


async def test_back_from_the_gateway_the_button_pays_with_the_card(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    house.cards.leave("cs_1", view.id)
    back = f"{house.link(view)}/card?session=cs_1"
    form = page(await house.http.get(back)).forms[0]
    assert house.office.sessions == []
    response = await house.http.post(form["action"], data={"session": form["fields"]["session"]["value"]}, headers=FORM)
    assert response.headers["Location"] == f"{house.link(view)}?sent=1"
    assert house.office.sessions == ["cs_1"]
    assert page(await house.http.get(response.headers["Location"])).heading == "We are setting up your telephones"


async def test_a_visit_that_left_no_card_or_belongs_to_another_pays_nothing(house: House) -> None:
    view, another = house.onboarding(state=State.AWAITING_PAYMENT), house.onboarding(state=State.AWAITING_PAYMENT)
    house.cards.leave("cs_theirs", another.id)
    for session in ("cs_unfinished", "cs_theirs", ""):
        response = await house.http.post(f"{house.link(view)}/card", data={"session": session}, headers=FORM)
        assert page(response, 409).title.startswith("Error: ")
    assert house.office.sessions == []


async def test_the_gateways_report_does_the_same_without_the_customer(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    house.cards.leave("cs_1", view.id)
    report = {"visit": {"session": "cs_1", "onboarding_id": view.id}}
    for _ in range(2):
        response = await house.http.post("/webhooks/stripe", json=report, headers={"Stripe-Signature": "signed"})
        assert response.status_code == 204
    assert house.office.sessions == ["cs_1"]
    pressed = await house.http.post(f"{house.link(view)}/card", data={"session": "cs_1"}, headers=FORM)
    assert pressed.status_code == 303, "the customer's button comes second and finds it done"
    assert house.office.sessions == ["cs_1"]


def at_the_gateway(house: House, account: str | None) -> None:
    """The white label's account there from now on."""
    house.catalogue.tenants[:] = [
        tenant.model_copy(update={"gateway_account": account}) if tenant.id == TENANT.id else tenant
        for tenant in house.catalogue.tenants
    ]


async def test_the_card_is_left_and_read_on_the_white_labels_own_account(house: House) -> None:
    at_the_gateway(house, "acct_1Brumtel")
    view = house.onboarding()
    await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    assert house.cards.merchants == ["acct_1Brumtel"]
    house.cards.leave("cs_1", view.id, "acct_1Brumtel")
    back = await house.http.post(f"{house.link(view)}/card", data={"session": "cs_1"}, headers=FORM)
    assert back.status_code == 303
    assert house.office.sessions == ["cs_1"]


async def test_the_gateways_report_counts_on_the_white_labels_own_account_only(house: House) -> None:
    at_the_gateway(house, "acct_1Brumtel")
    for account, paid in (("acct_1Strangers", []), (None, []), ("acct_1Brumtel", ["cs_1"])):
        view = house.onboarding(state=State.AWAITING_PAYMENT)
        house.cards.leave("cs_1", view.id, account)
        report = {"visit": {"session": "cs_1", "onboarding_id": view.id}}
        response = await house.http.post("/webhooks/stripe", json=report, headers={"Stripe-Signature": "signed"})
        assert response.status_code == 204
        assert house.office.sessions == paid


async def test_after_a_change_of_the_account_a_visit_of_the_former_one_is_asked_for_again(house: House) -> None:
    at_the_gateway(house, "acct_1Former")
    view = house.onboarding(state=State.AWAITING_PAYMENT, waits_for="customer")
    house.cards.leave("cs_1", view.id, "acct_1Former")
    at_the_gateway(house, "acct_1Today")
    response = await house.http.post(f"{house.link(view)}/card", data={"session": "cs_1"}, headers=FORM)
    assert page(response, 409).title.startswith("Error: ")
    assert house.office.sessions == []
    await house.http.post(f"{house.link(view)}/card/begin", headers=FORM)
    assert house.cards.merchants == ["acct_1Today"]


async def test_a_report_about_an_order_that_is_not_ours_is_taken_note_of(house: House) -> None:
    report = {"visit": {"session": "cs_1", "onboarding_id": "an order of the white label's own shop"}}
    response = await house.http.post("/webhooks/stripe", json=report, headers={"Stripe-Signature": "signed"})
    assert response.status_code == 204
    assert house.office.sessions == []


async def test_a_report_that_is_not_signed_is_not_believed(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    house.cards.leave("cs_1", view.id)
    report = {"visit": {"session": "cs_1", "onboarding_id": view.id}}
    response = await house.http.post("/webhooks/stripe", json=report, headers={"Stripe-Signature": "forged"})
    assert (response.status_code, response.json()["code"]) == (400, "bad_signature")
    assert house.office.sessions == []


async def test_a_report_that_cannot_be_passed_on_is_asked_for_again(house: House) -> None:
    view = house.onboarding(state=State.AWAITING_PAYMENT)
    house.cards.leave("cs_1", view.id)
    house.office.absent = True
    report = {"visit": {"session": "cs_1", "onboarding_id": view.id}}
    response = await house.http.post("/webhooks/stripe", json=report, headers={"Stripe-Signature": "signed"})
    assert response.status_code == 503


async def test_a_report_about_something_else_is_taken_note_of(house: House) -> None:
    response = await house.http.post("/webhooks/stripe", json={"type": "other"}, headers={"Stripe-Signature": "signed"})
    assert response.status_code == 204


@pytest.mark.parametrize("state", [s for s in State if not s.is_final and s is not State.AWAITING_ACTIVATION])
async def test_while_it_is_worked_on_the_page_looks_again_by_itself(house: House, state: State) -> None:
    view = house.onboarding(state=state, waits_for="somebody")
    response = await house.http.get(house.link(view))
    page(response)
    assert 'http-equiv="refresh"' in response.text


async def test_right_after_a_button_the_workflow_is_asked_not_the_row(house: House) -> None:
    view = house.onboarding()
    stale = house.reader.rows[view.id]
    await house.http.post(house.link(view), data=ACCEPTED, headers=FORM)
    fresh = house.reader.rows[view.id].model_copy(update={"state": State.PROVISIONING})

    async def status(onboarding_id: str, patience: float = 5.0) -> Any:
        assert patience <= 1
        return fresh

    house.reader.put(stale)
    house.office.status = status  # type: ignore[method-assign]
    assert page(await house.http.get(f"{house.link(view)}?sent=1")).heading == "We are setting up your telephones"


async def test_the_passwords_are_shown_on_a_button_for_some_days(house: House) -> None:
    view = house.onboarding(state=State.ACTIVE, updated_at=datetime.now(UTC))
    shown = await house.http.get(house.link(view))
    password = house.secrets.device_password("", "")
    assert page(shown).heading == "Your telephones are ready"
    assert "+44 121 496 0000" in shown.text
    path = f"{house.link(view)}/credentials"
    assert (await house.http.get(path)).status_code == 404, "there is nothing to GET"
    pressed = await house.http.post(path, headers=FORM)
    page(pressed)
    (password,) = re.findall(r"<dt>Password</dt><dd><code>([a-z2-7]{24})</code>", pressed.text)
    assert password not in shown.text
    house.reader.change(view.id, updated_at=datetime.now(UTC) - PASSWORDS_SHOWN_FOR - timedelta(minutes=1))
    assert page(await house.http.post(path, headers=FORM), 410).heading == "The passwords are no longer shown here"


async def test_no_passwords_before_the_service_is_active(house: House) -> None:
    view = house.onboarding(state=State.PROVISIONING)
    response = await house.http.post(f"{house.link(view)}/credentials", headers=FORM)
    assert response.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
)
@pytest.mark.parametrize("path", ["", "/card", "/card/begin", "/credentials"])
async def test_a_form_that_another_site_sends_does_nothing(house: House, path: str, headers: dict[str, str]) -> None:
    view = house.onboarding(state=State.ACTIVE if path == "/credentials" else State.AWAITING_ACTIVATION)
    response = await house.http.post(house.link(view) + path, data=ACCEPTED, headers=headers)
    assert page(response, 403).heading == "That did not come from our page"
    assert house.office.told == []


async def test_what_breaks_behind_a_page_is_said_on_a_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    view = house.onboarding()

    async def broken(*_: Any) -> None:
        raise RuntimeError("ada@example.com")

    async def unavailable(*_: Any) -> None:
        raise Unavailable("The database does not answer.", retry_after=7)

    monkeypatch.setattr(house.office, "view", broken)
    response = await house.http.get(house.link(view))
    assert page(response, 500).heading == "Something went wrong on our side"
    assert "ada" not in response.text
    monkeypatch.setattr(house.office, "view", unavailable)
    response = await house.http.get(house.link(view))
    assert page(response, 503)
    assert response.headers["Retry-After"] == "7"


async def test_names_cannot_become_markup(house: House) -> None:
    view = house.onboarding(order=an_order(name="<script>alert(1)</script>"))
    response = await house.http.get(house.link(view))
    assert "<script" not in response.text
    assert "&lt;script&gt;" in response.text


async def test_the_log_has_no_token_and_no_key(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    view = house.onboarding()
    await house.http.get(house.link(view))
    await house.http.get("/v1/onboardings", headers=house.by("admin"))
    lines = [vars(record) for record in caplog.records if record.name == "dialtone.http"]
    assert [line["route"] for line in lines] == ["/activate/{token}", "/v1/onboardings"]
    ours = " ".join(str(line) for line in lines)
    assert house.secrets.activation_token(view.id, 1) not in ours
    assert house.keys["admin"] not in ours
