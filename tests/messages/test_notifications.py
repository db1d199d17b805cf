"""Letters at the end: to those who were chosen, in the words that were chosen, and only when all is well."""

import json
from typing import Any

import pytest

from domain.keys import workflow_id
from domain.mails import MailKind
from domain.notifications import Recipient, wording
from tests.tenancy.conftest import Town

ADA = "ada@harbour.example.com"
OWN = {
    "to": "customer",
    "subject": "{customer_name} is on air",
    "body": "Dear {contact_name},\r\n\r\nyour account is {account_number}.\r\n<b>{plan}</b> {numbers}",
}


def said(town: Town, address: str) -> list[tuple[str, str, str]]:
    return [(letter.subject, letter.text, letter.html) for mail, letter in town.post.letters if mail.recipients == (address,)]


async def order(town: Town, *notifications: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return await town.live("upper", notifications=list(notifications), **changes)


@pytest.mark.requirement("S3-53", "S3-54", "S3-55", "S3-59")
async def test_each_organisation_that_was_ticked_gets_its_letter_in_the_words_that_were_chosen(town: Town) -> None:
    view = await order(
        town,
        OWN,
        {"to": "reseller"},
        {"to": "other", "email": "fitter@example.org", "subject": "New line", "body": "Go to {customer_name}. {contact_name}"},
        {"to": "other", "email": "nobody@example.org", "send": False},
    )
    ((subject, text, html),) = said(town, ADA)
    assert subject == "Harbour Books Ltd is on air"
    assert f"Dear Ada Reed,\n\nyour account is {view['account_number']}.\n<b>Office 20</b> none" in text
    assert "&lt;b&gt;Office 20&lt;/b&gt;" in html
    assert "/activate/" in text, "the customer's own page stays within reach"
    ((subject, text, _),) = said(town, "operators@brumtel.example")
    default = wording(Recipient.RESELLER, by_customer=False)
    assert subject == "Harbour Books Ltd is ready"
    assert text.startswith(default.body.partition(" ")[0].replace("{white_label}", "Brumtel"))
    ((subject, text, html),) = said(town, "fitter@example.org")
    assert (subject, text.splitlines()[0]) == ("New line", "Go to Harbour Books Ltd. Ada Reed")
    assert "/activate/" not in text + html, "only the customer gets the customer's link"
    assert len(town.post.letters) == 3
    sent = [event["detail"]["mail"] for event in await town.timeline(view["id"]) if event["event"] == "mail_sent"]
    assert sorted(sent) == ["notification", "notification", "welcome"]


@pytest.mark.requirement("S3-53")
async def test_a_customer_who_is_not_named_is_welcomed_as_ever_and_one_who_is_unticked_is_not_written_to(town: Town) -> None:
    await order(town)
    await order(town, {"to": "reseller"}, name="Second Ltd")
    await order(town, {"to": "customer"}, name="Third Ltd")
    assert [subject for subject, _, _ in said(town, ADA)] == ["Welcome to Brumtel: your service is ready"] * 3
    await order(town, {"to": "customer", "send": False}, name="Fourth Ltd")
    assert len(said(town, ADA)) == 3


@pytest.mark.requirement("S3-56")
async def test_what_is_attached_is_made_from_the_record_and_holds_no_secret(town: Town) -> None:
    everything = ["contract_summary", "creation_log", "settings_sheet"]
    view = await order(
        town,
        {"to": "customer", "attachments": everything},
        {"to": "other", "email": "fitter@example.org", "attachments": ["settings_sheet"]},
        services=[{"label": "Front desk", "max_channels": 3}],
    )
    for address, names in ((ADA, everything), ("fitter@example.org", ["settings_sheet"])):
        (letter,) = [letter for mail, letter in town.post.letters if mail.recipients == (address,)]
        assert [name for name, _ in letter.attachments] == [f"{name.replace('_', '-')}.txt" for name in names]
        files = dict(letter.attachments)
        assert "Front desk" in files["settings-sheet.txt"]
        assert "sip.brumtel.example" in files["settings-sheet.txt"]
        assert "Calls at once    3" in files["settings-sheet.txt"]
        if "contract-summary.txt" in files:
            assert view["account_number"] in files["contract-summary.txt"]
            assert f"{view['quote']['total_minor'] / 100:.2f}" in files["contract-summary.txt"]
            assert view["terms"]["sha256"] in files["contract-summary.txt"]
            log = files["creation-log.txt"]
            assert log.index("order received") < log.index("payment captured") < log.index("active")
            assert view["requested_by"] not in log
        assert "/activate/" not in "".join(files.values())


@pytest.mark.requirement("S3-57", "S3-51")
async def test_nothing_is_sent_before_the_end_and_nothing_at_all_if_the_onboarding_ends_otherwise(town: Town) -> None:
    plan = [{"to": "customer", "subject": "Ready"}, {"to": "other", "email": "fitter@example.org"}, {"to": "reseller"}]
    answer = await town.order("upper", administration="customer", payer="self", notifications=plan)
    onboarding = answer.json()["id"]
    await town.post.arrives(ADA, MailKind.ACTIVATION)
    assert [mail.kind for mail, _ in town.post.letters] == [MailKind.ACTIVATION]
    assert (await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", "upper", json={})).status_code == 200
    await town.client.get_workflow_handle(workflow_id(onboarding)).result()
    assert [mail.kind for mail, _ in town.post.letters] == [MailKind.ACTIVATION, MailKind.CLOSED]
    view = await order(town, name="Another Ltd")
    refused = await town.order("upper", "Another Ltd", notifications=plan)  # the name is taken
    assert (await town.ended(refused.json()["id"], "upper"))["state"] == "rejected"
    assert view["state"] == "active"
    assert not said(town, "fitter@example.org")


@pytest.mark.requirement("S3-51")
async def test_the_letters_are_offered_for_editing_only_when_all_is_well(town: Town) -> None:
    body = {"customer": {"name": "Harbour Ltd", "contact": {"full_name": "Ada Reed", "email": ADA}}}
    bad = (await town.ask("POST", "/v1/order-checks", "upper", json=body)).json()
    assert (bad["valid"], bad["notifications"]) == (False, None)
    body["customer"]["billing_address"] = {"lines": ["1 Row"], "city": "Birmingham", "country": "GB"}
    good = (await town.ask("POST", "/v1/order-checks", "upper", json=body)).json()
    assert good["valid"]
    offered = (await town.ask("GET", "/v1/notification-defaults", "upper")).json()
    assert good["notifications"] == offered["notifications"]
    assert [(one["to"], one["send"]) for one in offered["notifications"]] == [
        ("customer", True),
        ("reseller", False),
        ("other", False),
    ]
    assert all(one["subject"] and one["body"] for one in offered["notifications"])
    other = (await town.ask("GET", "/v1/notification-defaults", "upper", params={"administration": "operator"})).json()
    assert other["notifications"] != offered["notifications"], "each mode has its own"


@pytest.mark.parametrize(
    ("entry", "code", "pointer"),
    [
        pytest.param({"to": "customer", "body": "Hi {password}"}, "unknown_placeholder", "/body", id="placeholder"),
        pytest.param({"to": "customer", "subject": "Hi {Contact Name}"}, "unknown_placeholder", "/subject", id="case"),
        pytest.param({"to": "customer", "subject": "Hi {0.__class__}"}, "unknown_placeholder", "/subject", id="attribute"),
        pytest.param({"to": "other"}, "recipient_without_address", "/email", id="no-address"),
        pytest.param({"to": "reseller", "email": "a@example.org"}, "recipient_has_address", "/email", id="address"),
        pytest.param({"to": "customer", "subject": "Hi\r\nBcc: all@example.org"}, "value_error", "/subject", id="header"),
        pytest.param({"to": "customer", "subject": "=?utf-8?q?a=0D=0ABcc:?="}, "value_error", "/subject", id="encoded-word"),
        pytest.param({"to": "customer", "subject": "x" * 151}, "too_long", "/subject", id="long-subject"),
        pytest.param({"to": "customer", "body": "x" * 5001}, "string_too_long", "/body", id="long-body"),
        pytest.param({"to": "customer", "body": "a\x00b"}, "value_error", "/body", id="control-character"),
        pytest.param({"to": "customer", "body": " \n "}, "value_error", "/body", id="nothing"),
        pytest.param({"to": "everybody"}, "enum", "/to", id="nobody-known"),
        pytest.param({"to": "customer", "attachments": ["passwords"]}, "enum", "/attachments/0", id="attachment"),
    ],
)
async def test_words_that_cannot_be_sent_are_refused_with_a_pointer(
    town: Town, entry: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await town.order("upper", notifications=[{"to": "reseller", "send": False}, entry])
    if code == "recipient_has_address":
        answer = await town.order("upper", notifications=[{"to": "customer", "send": False}, entry])
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["code"], error["pointer"]) == (code, f"/notifications/1{pointer}")


async def test_at_most_ten_others_and_nobody_twice(town: Town) -> None:
    others = [{"to": "other", "email": f"a{number}@example.org"} for number in range(11)]
    errors = (await town.order("upper", notifications=others)).json()["errors"]
    assert [error["code"] for error in errors] == ["too_many_recipients"]
    errors = (await town.order("upper", notifications=[{"to": "customer"}, {"to": "customer"}])).json()["errors"]
    assert [(error["code"], error["pointer"]) for error in errors] == [("recipient_twice", "/notifications/1/to")]


async def test_what_a_placeholder_is_replaced_with_is_not_looked_at_again(town: Town) -> None:
    await order(town, {"to": "customer", "subject": "To {customer_name}"}, name="Braces {account_number} Ltd")
    assert [subject for subject, _, _ in said(town, ADA)] == ["To Braces {account_number} Ltd"]


async def test_a_refused_address_raises_attention_for_its_letter_and_stops_no_other(town: Town) -> None:
    town.post.refused = {"gone@example.org"}
    view = await order(town, {"to": "other", "email": "gone@example.org"}, {"to": "reseller"})
    assert (view["state"], view["needs_attention"]) == ("active", "notification_failed:0")
    failed = [event["detail"] for event in await town.timeline(view["id"]) if event["event"] == "mail_failed"]
    assert failed == [{"mail": "notification", "code": "recipient_refused", "notification": "0"}]
    assert len(said(town, ADA)) == len(said(town, "operators@brumtel.example")) == 1
    assert "gone@example.org" not in json.dumps(await town.timeline(view["id"]))


@pytest.mark.requirement("S3-58", "S3-59")
@pytest.mark.parametrize("afterwards", ["service_summary", "customer_summary", "start_again"])
async def test_the_answer_leads_to_the_page_that_was_chosen(town: Town, afterwards: str) -> None:
    answer = (await town.order("upper", afterwards=afterwards)).json()
    view = await town.ended(answer["id"], "upper")
    assert answer["links"]["next"] == view["links"]["next"]
    where = {
        "service_summary": f"/v1/onboardings/{view['id']}",
        "customer_summary": f"/v1/accounts/{view['account_id']}",
        "start_again": "/v1/onboardings",
    }[afterwards]
    assert answer["links"]["next"] == where
    assert (await town.ask("GET", where, "upper")).status_code == 200
