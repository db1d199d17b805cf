"""What people read."""

import re
from pathlib import Path

import pytest

import adapters.mail
from adapters.mail.facts import Facts
from domain.errors import Refused
from domain.mails import MailKind
from tests.adapters.mail.samples import BASE_URL, CUSTOMER_KINDS, FULL, MINIMAL, ONBOARDING, OPERATOR_KINDS, SECRETS, letter

TEMPLATES = Path(adapters.mail.__file__).with_name("templates")
HOSTILE = "<script>alert(1)</script> & \"Sons\" 'Ltd'"


def test_every_kind_of_mail_has_its_folder_and_no_folder_is_left_over():
    assert {folder.name for folder in TEMPLATES.iterdir()} == {kind.value for kind in MailKind} | {"_base", "_attachments"}


@pytest.mark.parametrize("facts", [FULL, MINIMAL], ids=["full", "minimal"])
@pytest.mark.parametrize("kind", MailKind)
def test_every_kind_is_complete_whatever_the_order_has(kind: MailKind, facts: dict):
    written = letter(kind, **facts)
    assert written.subject
    assert "\n" not in written.subject
    for part in (written.text, written.html):
        assert "Brindley Voice" in part
        assert "help@brindley.example" in part
        assert ONBOARDING in part
        assert "You get this" in part
        assert not re.search(r"\bNone\b|\{[{%]|[%}]\}|\bTrue\b|\bFalse\b", part)
    assert "\n\n\n" not in written.text


@pytest.mark.parametrize("kind", sorted(CUSTOMER_KINDS))
def test_a_customer_gets_one_link_that_is_theirs_in_both_parts(kind: MailKind):
    written = letter(kind)
    links = set(re.findall(rf"{BASE_URL}/\S+?(?=[\s<\"])", written.text + written.html))
    (link,) = links
    token = SECRETS.read_activation_token(link.removeprefix(f"{BASE_URL}/activate/"))
    assert token is not None
    assert (token.onboarding_id, token.generation) == (ONBOARDING, 2)
    assert link in written.text
    assert f'href="{link}"' in written.html
    assert f">{link}<" in written.html, "the address must also stand there in plain text"


@pytest.mark.parametrize("kind", sorted(OPERATOR_KINDS))
def test_an_operator_gets_the_console_and_never_the_customers_link(kind: MailKind):
    written = letter(kind)
    for part in (written.text, written.html):
        assert f"{BASE_URL}/v1/onboardings/{ONBOARDING}" in part
        assert "/activate/" not in part


@pytest.mark.parametrize("kind", MailKind)
def test_a_hostile_name_is_text_in_the_html_and_itself_in_the_text_part(kind: MailKind):
    written = letter(kind, customer_name=HOSTILE, contact_name=HOSTILE, tenant_name=HOSTILE, total=HOSTILE)
    assert "<script" not in written.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;Sons&#34; &#39;Ltd&#39;" in written.html
    assert HOSTILE in written.text


@pytest.mark.parametrize("kind", MailKind)
def test_a_letter_loads_nothing_from_anywhere_and_tracks_nobody(kind: MailKind):
    html = letter(kind).html
    assert not re.search(r"<(img|script|link|iframe|object|video)\b|\bsrc=|url\(|@import|@font-face", html, re.IGNORECASE)
    assert set(re.findall(r'href="(\w+:)', html)) <= {"https:", "mailto:"}
    assert html.count('class="button"') == 1


@pytest.mark.parametrize("kind", MailKind)
def test_a_deadline_is_written_for_people_and_left_out_where_there_is_none(kind: MailKind):
    with_one, without = letter(kind), letter(kind, deadline=None)
    if kind not in {
        MailKind.WELCOME,
        MailKind.CLOSED,
        MailKind.TAKEN_OVER,
        MailKind.INVITATION,
        MailKind.NOTIFICATION,
        MailKind.LOW_BALANCE,
    }:
        assert "6 December 2026, 14:00 UTC" in with_one.text
        assert "6 December 2026, 14:00 UTC" in with_one.html
    assert "UTC" not in without.text
    assert "UTC" not in without.html


def test_a_deadline_in_another_zone_is_said_in_utc():
    assert "6 December 2026, 13:30 UTC" in letter(MailKind.ACTIVATION, deadline="2026-12-06T15:30:00+02:00").text


@pytest.mark.parametrize("kind", [MailKind.ACTIVATION, MailKind.CARD_REMINDER, MailKind.APPROVAL_NEEDED, MailKind.WELCOME])
def test_the_price_stands_in_both_parts_line_by_line(kind: MailKind):
    written = letter(kind)
    for part in (written.text, written.html):
        for words in ("Office 20, set-up", "£25.00", "Office 20, first month", "£40.00", "VAT", "£13.00", "Total", "£78.00"):
            assert words in part


def test_the_welcome_letter_writes_numbers_as_people_do():
    written = letter(MailKind.WELCOME)
    for part in (written.text, written.html):
        assert "+44 121 496 0123" in part
        assert "+44 121 496 0124" in part


def test_a_number_that_nobody_can_read_is_shown_as_it_is():
    assert "12ab" in letter(MailKind.WELCOME, numbers=["12ab"]).text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("card_declined", "gave no reason"),
        ("insufficient_funds", "not enough money"),
        ("expired_card", "has expired"),
        ("insufficient_headroom", "enough credit"),
        ("a_code_of_tomorrow", "did not go through"),
        (None, "did not go through"),
    ],
)
def test_a_decline_is_a_sentence_even_if_its_code_is_new(code: str | None, said: str):
    written = letter(MailKind.CARD_DECLINED, code=code, state="awaiting_payment")
    for part in (written.text, written.html):
        assert said in part
        assert "have not been charged" in part
        assert not code or code not in part


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "pickup_card"])
def test_a_suspicion_of_the_bank_is_never_passed_on(code: str):
    written = letter(MailKind.CARD_DECLINED, code=code)
    assert not re.search(r"lost|stolen|fraud|pick", written.text + written.subject)


@pytest.mark.parametrize(
    ("state", "code", "subject", "said"),
    [
        ("expired", "activation_expired", "has expired", "not used in time"),
        ("rejected", "approval_rejected", "was not accepted", "could not be approved"),
        ("rejected", "name_taken", "was not accepted", "already an account"),
        ("rejected", "number_unavailable", "was not accepted", "no longer available"),
        ("declined", "card_declined", "could not be paid", "declined"),
        ("cancelled", "cancelled", "was cancelled", "was cancelled"),
        ("failed", "gave_up", "could not be completed", "technical problem"),
        ("expired", "a_code_of_tomorrow", "has expired", "not completed in time"),
        ("a_state_of_tomorrow", None, "was closed", "did not go through"),
    ],
)
def test_a_closed_order_says_how_and_why_and_that_nothing_is_owed(state: str, code: str | None, subject: str, said: str):
    written = letter(MailKind.CLOSED, state=state, code=code)
    assert subject in written.subject
    for part in (written.text, written.html):
        assert subject in part
        assert said in part
        assert "You owe nothing." in part
        assert not code or code == "cancelled" or code not in part


def test_an_approver_reads_why_in_sentences_also_for_a_reason_of_tomorrow():
    written = letter(MailKind.APPROVAL_NEEDED, approval_reasons=["total", "credit_limit", "number_grade", "moon_phase"])
    for part in (written.text, written.html):
        assert "The total is above" in part
        assert "The credit limit is above" in part
        assert "grade that needs approval" in part
        assert "moon phase" in part


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"code": "recipient_refused"}, "Correct the address"),
        ({"needs_attention": "provisioning_refused"}, "The switch refuses"),
        ({"needs_attention": "undo_stuck:release_payment:1"}, "could not be undone"),
        ({"needs_attention": "undo_stuck:release_payment:1"}, "undo_stuck:release_payment:1"),
        ({"code": "disk_on_fire"}, "disk on fire"),
        ({}, "cannot go on by itself"),
    ],
)
def test_an_operator_reads_what_is_wrong(facts: dict, said: str):
    written = letter(MailKind.OPERATOR_NEEDED, **facts)
    assert said in written.text
    assert said in written.html


def test_facts_that_no_letter_can_be_made_of_are_refused_without_repeating_them():
    with pytest.raises(Refused) as refused:
        letter(MailKind.WELCOME, tenant_name=None, contact_name=["ann@example.com"])
    assert refused.value.code == "mail_facts_missing"
    assert "contact_name, tenant_name" in refused.value.message
    assert "ann@example.com" not in refused.value.message


def test_everything_but_the_parties_may_be_left_out():
    facts = Facts(onboarding_id="x", tenant_name="T", support_email="s@t.example", customer_name="C")
    assert facts.greeting == "C"


def test_an_invitation_has_one_link_which_is_no_activation_link():
    written = letter(MailKind.INVITATION, onboarding_id="", invited_until="2026-11-25T14:00:00Z")
    (link,) = set(re.findall(rf"{BASE_URL}/\S+?(?=[\s<\"])", written.text + written.html))
    token = link.removeprefix(f"{BASE_URL}/invitation/")
    read = SECRETS.read_invitation_token(token)
    assert read is not None
    assert (read.user_id, read.generation) == ("user-0123456789abcdef", 3)
    assert SECRETS.read_activation_token(token) is None
    for part in (written.text, written.html):
        assert "until" in part
        assert "25 November 2026, 14:00 UTC" in part
        assert "Reference" not in part


def test_the_welcome_letter_invites_an_administrator_without_a_password_and_nobody_else():
    assert "/invitation/" not in letter(MailKind.WELCOME).text
    invited = letter(MailKind.WELCOME, user_id="user-1", invitation=1, invited_until="2026-11-25T14:00:00Z")
    for part in (invited.text, invited.html):
        assert f"{BASE_URL}/invitation/{SECRETS.invitation_token('user-1', 1)}" in part
        assert "25 November 2026, 14:00 UTC" in part


def test_a_reseller_is_not_told_of_telephones():
    written = letter(MailKind.WELCOME, account_kind="reseller", numbers=[])
    for part in (written.text, written.html):
        assert "customers can be created under it" in part
        assert "devices" not in part
