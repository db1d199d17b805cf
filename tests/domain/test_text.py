"""What people type: names of every script pass, characters that forge what others read do not."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.customer import E164, Address, Contact, Customer, Email, LongText, Text, TimeZone, name_key
from domain.numbers import NumberCriteria
from tests.builders import ADDRESS

text: TypeAdapter[str] = TypeAdapter(Text)
long_text: TypeAdapter[str] = TypeAdapter(LongText)
email: TypeAdapter[str] = TypeAdapter(Email)

ANY = st.text(st.characters(), max_size=210)
# U+1D160 is three characters once it is composed as Unicode wants it; "é" in two characters is one.
GROWS, SHRINKS = "\U0001d160", "e\u0301"


@pytest.mark.parametrize(
    "name",
    [
        "Ada's Bakery & Söhne – 50 %",
        "Ωμέγα",
        "株式会社ダイヤル",
        "מאפיית עדה",
        "مخبز عدى",
        "نمایندگی\u200cها",
        "مخبز\u061c 24",
        "אבג ABC דהו",
        "नेहा\u200dज़ दुकान",
        "Zoë\u200e",
        "☎ 🥐",
        "A" * 200,
    ],
)
def test_a_name_in_any_script_is_a_name(name: str) -> None:
    assert text.validate_python(name) == name


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\x85",
        "\u202a",
        "\u202b",
        "\u202d",
        "\u202e",
        "\u2066",
        "\u2067",
        "\u2068",
        "\u2069",
        "\u200b",
        "\u2060",
        "\ufeff",
        "\u00ad",
        "\U000e0041",
        "\ue000",
        "\uffff",
    ],
)
@pytest.mark.parametrize("around", ["a{}b", "ä{}ö"])
def test_characters_that_cannot_be_shown_are_refused(character: str, around: str) -> None:
    with pytest.raises(ValidationError, match="holds a character that cannot be shown"):
        text.validate_python(around.format(character))


@pytest.mark.parametrize(
    "name", ["\u200e", "\u200c\u200d", "\u061c \u200f", "\u0301", "\u3164", "\u2800\u2800", "\u115f\u200e"]
)
def test_a_name_that_nobody_can_see_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="nothing that can be seen"):
        text.validate_python(name)


@pytest.mark.parametrize("name", ["=?utf-8?q?x=0d=0aBcc:_everybody?=", "Ada =?ISO-8859-1?B?QQ==?= Ltd", "Söhne =?utf-8?Q?a?="])
def test_a_name_that_mail_programs_would_decode_is_refused(name: str) -> None:
    """It fits into no header: the letter that asks for approval of such an order would never be sent."""
    with pytest.raises(ValidationError, match="encoded word"):
        text.validate_python(name)


def test_what_only_looks_like_an_encoded_word_is_a_name() -> None:
    assert text.validate_python("Who =?") == "Who =?"
    assert text.validate_python("=?a b?q?") == "=?a b?q?"


@given(ANY)
@example("a\u2028b")
@example("a\u2029b")
@example("a\r\nBcc: everybody@example.com")
def test_no_text_ever_begins_a_second_line(typed: str) -> None:
    """Of a log, a mail's header, or a list that somebody reads."""
    try:
        taken = text.validate_python(typed)
    except ValidationError:
        return
    assert len(taken.splitlines()) == 1
    assert taken == taken.strip()


@given(ANY)
@example(GROWS * 200)
@example(SHRINKS * 150)
@example(f" {SHRINKS} ")
def test_what_was_taken_once_is_taken_again_unchanged(typed: str) -> None:
    """Values are read again on every replay: one that passed the door must never fail behind it."""
    for kind in (text, long_text):
        try:
            taken = kind.validate_python(typed)
        except ValidationError:
            continue
        assert kind.validate_python(taken) == taken == unicodedata.normalize("NFC", taken)


@pytest.mark.parametrize(("kind", "most"), [(text, 200), (long_text, 1000)])
def test_text_has_a_length(kind: TypeAdapter[str], most: int) -> None:
    assert len(kind.validate_python("x" * most)) == most
    for too_long in ("x" * (most + 1), "x" * 1_000_000, GROWS * most):
        with pytest.raises(ValidationError, match="at most"):
            kind.validate_python(too_long)
    for empty in ("", "   ", "\u2003"):
        with pytest.raises(ValidationError, match="at least 1"):
            kind.validate_python(empty)


@pytest.mark.parametrize("kind", [text, long_text])
def test_the_length_is_told_to_clients(kind: TypeAdapter[str]) -> None:
    assert {"minLength", "maxLength"} <= kind.json_schema().keys()


@given(st.text(st.characters(categories=("L", "M", "N")), min_size=1, max_size=30))
@example("ǰ" + GROWS)
def test_a_name_is_the_same_name_however_its_characters_are_put_together(name: str) -> None:
    key = name_key(name)
    assert all(name_key(unicodedata.normalize(form, name)) == key for form in ("NFC", "NFD", "NFKC", "NFKD"))
    assert name_key(key) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada's Bakery", "  ADA'S   bakery "),
        ("Straße", "STRASSE"),
        ("Zoë", "Zoe\u0308"),
        ("ＡＢＣ", "abc"),
        ("ﬁrst", "First"),
        ("Ada\u00a0Bakery", "ada bakery"),
    ],
)
def test_two_ways_to_write_a_name_are_one_name(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_two_names_are_two_names() -> None:
    assert len({name_key(name) for name in ("Ada", "Ida", "Ada 1", "Ada 2", "A da", "Adá")}) == 6


@pytest.mark.parametrize("address", ["ada@example.com", "a+b.c@sub.example.co.uk", "ñandú@exämple.com", "o'hara@example.org"])
def test_an_address_has_the_shape_of_one(address: str) -> None:
    assert email.validate_python(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@example.",
        "a da@example.com",
        "ada@exam ple.com",
        "Ada <ada@example.com>",
        "ada@example.com\nBcc: x@example.com",
        "ada@example.com\r\n",
        "a@b@example.com",
        "ada@\x00example.com",
        "a" * 250 + "@example.com",
        "",
    ],
)
def test_an_address_never_carries_a_second_one_or_a_header(address: str) -> None:
    with pytest.raises(ValidationError):
        email.validate_python(address)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "GMT+1:00", "../etc/passwd", "europe/london"])
def test_a_time_zone_is_one_of_the_known_ones(zone: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TimeZone).validate_python(zone)


def test_an_address_has_one_to_four_lines_and_a_country_code() -> None:
    good = {"lines": ["1 Colmore Row"], "city": "Birmingham", "country": "GB"}
    assert Address.model_validate(good).lines == ("1 Colmore Row",)
    wrongs: list[dict[str, object]] = [
        {"lines": []},
        {"lines": ["x"] * 5},
        {"country": "gb"},
        {"country": "GBR"},
        {"city": " "},
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            Address.model_validate(good | wrong)


def test_a_customer_is_an_organisation_in_london_unless_it_says_otherwise() -> None:
    contact = Contact(full_name="Ada Baker", email="ada@example.com")
    customer = Customer(name="Ada's Bakery", contact=contact, billing_address=ADDRESS)
    assert (customer.kind, customer.time_zone, customer.service_address) == ("organisation", "Europe/London", None)


@pytest.mark.parametrize("number", ["+٤٤121496012", "+44121496०१२", "+4412149601２3"])
def test_a_number_is_written_in_ascii_digits(number: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(E164).validate_python(number)
    with pytest.raises(ValidationError):
        NumberCriteria(prefix=number)
