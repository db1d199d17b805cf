"""Who the customer is: party, authorised contact, addresses."""

import re
import unicodedata
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from domain.base import Value

_TIME_ZONES = frozenset(available_timezones())
# A mail program decodes such a word (RFC 2047), so no letter that names it can be sent: nobody would be asked to approve.
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?", re.IGNORECASE)
_UNSHOWABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Persian, Hindi and Arabic are not written right without these: joiners, and marks of direction that end with themselves.
_JOINERS = "\u200c\u200d\u200e\u200f\u061c"
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and a sign by their category, and nothing to see


def _printable(text: str) -> str:
    if _ENCODED_WORD.search(text):
        raise ValueError("holds an encoded word of mail headers, =?...?=; write the characters themselves")
    if text.isascii() and text.isprintable():
        return text
    # Control, direction and invisible characters would let a name forge log lines, mail headers or what an operator reads, and
    # make two names of what looks like one.
    if any(unicodedata.category(char) in _UNSHOWABLE and char not in _JOINERS for char in text):
        raise ValueError("holds a character that cannot be shown; remove control, direction and invisible characters")
    if not any(unicodedata.category(char)[0] in "LNPS" and char not in _BLANKS for char in text):
        raise ValueError("holds nothing that can be seen; write at least one letter, digit or sign")
    return unicodedata.normalize("NFC", text)


def _time_zone(name: str) -> str:
    if name not in _TIME_ZONES:
        raise ValueError("is not an IANA time zone; write for example Europe/London")
    return name


# The length is looked at twice: normalising makes some characters three, and a value that passed once must always pass again.
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
    StringConstraints(max_length=200),
]
LongText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000),
    AfterValidator(_printable),
    StringConstraints(max_length=1000),
]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["GB"])]
# The shape only: values are read again on every replay. The doors of the product check addresses properly.
Email = Annotated[
    str,
    Field(
        max_length=254, pattern=r"^[^@\s<>\x00-\x1f]+@[^@\s<>\x00-\x1f]+\.[^@\s<>\x00-\x1f.]+$", examples=["ada@example.com"]
    ),
]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_time_zone)]
E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164 with plus", examples=["+441214960123"])]


# ISO 13616: country, two check digits, up to thirty more. Accounts departments paste one into whatever field is nearest.
_IBAN = re.compile(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")


def _is_iban(text: str) -> bool:
    if not _IBAN.match(text):
        return False
    digits = "".join(str(int(char, 36)) for char in text[4:] + text[:4])
    return int(digits) % 97 == 1


def _tax_id(text: str) -> str:
    plain = re.sub(r"[ .\-]", "", text).upper()
    if _is_iban(plain):
        raise ValueError("is the number of a bank account (IBAN); write the tax or VAT number")
    return text


TaxId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=4, max_length=30, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./\-]*$"),
    AfterValidator(_tax_id),
]
IdentityNumber = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=4, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./\-]*$")
]


def masked(number: str | None) -> str | None:
    """Of an identity number, what may be read again: its length and, unless it is too short to be one, the last two characters."""
    if number is None:
        return None
    return "X" * (len(number) - 2) + number[-2:] if len(number) > 3 else "X" * len(number)


def is_masked(number: str) -> bool:
    """Whether this looks like what ``masked`` left of a number, and so is none itself."""
    return bool(number) and masked(number) == number


def name_key(name: str) -> str:
    """Two names with the same key are the same name: NFKC, case-folded, spaces collapsed (C4)."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


class Address(Value):
    """A postal address. ``country`` is ISO 3166-1 alpha-2."""

    lines: Annotated[tuple[Text, ...], Field(min_length=1, max_length=4, examples=[["1 Colmore Row"]])]
    city: Text
    region: Text | None = None
    postcode: Text | None = None
    country: Country


class Coordinates(Value):
    """A place on the map, WGS 84 degrees (S5-33)."""

    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Contact(Value):
    """The person who may act for the customer: receives the activation link and accepts the terms."""

    full_name: Text
    email: Email
    telephone: E164 | None = None


class Customer(Value):
    """The party that is signed up. ``kind`` says whether ``name`` is an organisation's or a person's."""

    kind: Literal["organisation", "person"] = "organisation"
    name: Text
    contact: Contact
    billing_email: Email | None = Field(default=None, description="Where invoices go; the contact's address if unset (C17)")
    billing_address: Address | None = None
    service_address: Address | None = Field(
        default=None, description="Where the telephones stand: what emergency services are told. Required with numbers (C6)"
    )
    time_zone: TimeZone = "Europe/London"
    given_name: Text | None = None
    family_name: Text | None = None
    company: Text | None = Field(default=None, description="Of a person, if there is one")
    country: Country | None = Field(
        default=None, description="Where national telephone numbers are dialled; the address's if unset"
    )
    tax_id: TaxId | None = Field(default=None, description="Tax or VAT number", examples=["GB123456789"])
    identity_number: IdentityNumber | None = Field(
        default=None, description="Of an identity document. Shown by its last two characters only"
    )
    coordinates: Coordinates | None = None

    @property
    def home(self) -> str | None:
        """The country that national telephone numbers are read in, ISO 3166-1 alpha-2; ``None`` if nothing says it."""
        stated = (self.billing_address, self.service_address)
        return self.country or next((address.country for address in stated if address), None)


def printable(text: str) -> str:
    """The text in normal form (NFC). Raises ``ValueError`` for characters that cannot be shown, or nothing that can be seen."""
    return _printable(text)
