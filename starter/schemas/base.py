"""What all bodies share: how people write numbers and days, a page of a list, links."""

import re
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import phonenumbers
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from domain.calling import Day
from domain.customer import Country, LongText

MASKED = "These are the last characters of another identity number, as they are shown, not a number."
IN_FULL = "Write it in full, or leave it as it was."

T = TypeVar("T")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_BRITAIN = 44
Telephone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[+0-9 ()./\-]+$"),
    Field(description="As people write it, national or international", examples=["0121 496 0123"]),
]


# Countries with telephone numbers, and the few of ISO 3166-1 that have none of their own. Values that are kept are not looked at
# again: they were taken when nobody looked.
_COUNTRIES = phonenumbers.SUPPORTED_REGIONS | {"AQ", "BV", "GS", "HM", "PN", "TF", "UM"}


def _there_is(country: str) -> str:
    if country not in _COUNTRIES:
        raise ValueError("is not the code of a country (ISO 3166-1); write for example GB")
    return country


RealCountry = Annotated[Country, AfterValidator(_there_is)]
"""A country that there is: in another one no national number could be read."""


def _written(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("is not a date; write it as 2027-03-31")  # noqa: TRY004 - pydantic's way of saying no
    return value


# By itself a whole number would be read as seconds since 1970.
WrittenDay = Annotated[Day, BeforeValidator(_written)]


def _in_our_times(moment: datetime) -> datetime:
    # Before anything is reckoned with it: at either end of the calendar there is no other zone, and no month before.
    if not _FIRST <= moment < _LAST:
        raise ValueError("is not in the years 2000 to 2199; correct the year")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_our_times)]
"""A moment as the API takes it: with its zone, and in the same years as a ``Day``."""
PlanCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["office-20"])]
PriceListCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["standard"])]
WhiteLabel = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="Slug or id of the white label. Needed with a key of the platform; other keys have only their own.",
        examples=["brightvoice"],
    ),
]


def e164(text: str, region: str) -> str | None:
    """A telephone number in E.164, read as somebody in that region (ISO 3166-1) would dial it; ``None`` if it is none."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: numbering plans change faster than the library, and ranges for drama are numbers too. But possible
    # from everywhere: what is dialled within one town only would become the number of somebody else.
    possible = phonenumbers.is_possible_number_with_reason(number)
    if number.extension or possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    # Seven digits are a handful of old freephone numbers, and what every British town dials within itself.
    if number.country_code == _BRITAIN and not 9 <= len(phonenumbers.national_significant_number(number)) <= 10:
        return None
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return formatted if _E164.fullmatch(formatted) else None


def e164_prefix(text: str, region: str) -> str | None:
    """The beginning of a number in E.164, read as somebody in that region would dial it (S3-19); ``None`` if it is none.

    ``0121 496`` in GB is ``+44121496``. A trunk prefix is left out where the region has one; Italy's leading 0 is no such.
    """
    digits = re.sub(r"[ ()./\-]", "", text)
    international = digits.startswith("+")
    if not re.fullmatch(r"\+?[0-9]+", digits):
        return None
    if not international:
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if plan is None or plan.country_code is None:
            return None
        if digits.startswith("00") and plan.international_prefix == "00":
            digits = "+" + digits[2:]
        else:
            digits = f"+{plan.country_code}{digits.removeprefix(plan.national_prefix or '')}"
    return digits if re.fullmatch(r"\+[1-9][0-9]{0,13}", digits) else None


Prefix = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=30, pattern=r"^[+0-9 ()./\-]+$"),
    Field(description="How the numbers begin, national or international", examples=["0121 496"]),
]


class Body(BaseModel):
    """A small body: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(Body):
    """Why. It is kept in the timeline, so leave personal data out."""

    reason: LongText | None = Field(default=None, examples=["Customer asked by telephone"])


class Links(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    next: str | None = Field(default=None, description="The page that the order asked for afterwards")


class Listing(BaseModel, Generic[T]):
    """One page. No token, no further page; a page may hold fewer entries than asked for."""

    items: list[T]
    next_page_token: str | None = None
