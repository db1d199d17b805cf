"""What may be saved into a section of a draft, and how its numbers change. Raises problems; keeps nothing itself."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from domain.customer import is_masked, masked
from domain.drafts import Draft, flattened, spread
from domain.errors import Refused
from domain.rules import Finding
from domain.sections import AT_SUBMIT, DRAFT_ONLY, MANAGED, Form
from starter.draft_findings import region_of
from starter.problems import Problem, ProblemError, of_finding, pointer
from starter.schemas.base import IN_FULL, MASKED, e164
from starter.schemas.orders import CreateOnboarding

MOST_BYTES = 256_000
"""How much a draft holds, as JSON: twice an order."""
_DEEPEST = 24
_IDENTITY = "customer.identity_number"
_IDENTITY_POINTER = "/customer/identity_number"


def readable(body: Mapping[str, Any], form: Form, section: str) -> dict[str, Any]:
    """What was entered in a section, by field.

    Values may be anything that JSON can say. Raises the 422 ``Problem`` for what has no place: fields that do not exist or are
    another section's, and what is not JSON.
    """
    _plain(body)
    errors = []
    # Of services only their number is a field of its own; a section may have others of theirs.
    allowed = {*form[section]} | ({"services"} if any(field.startswith("services.") for field in form[section]) else set())
    try:
        parts = list(spread(body))
    except ValueError as error:
        place = str(error)
        what = "a list of at most 50 services" if place == "/services" else "an object of fields"
        wrong = Finding(code="wrong_shape", pointer=place, message=f"This must be {what}.", fix="Look at the examples.")
        raise _refused([of_finding(wrong)]) from error
    for place, field, _ in parts:
        if field in allowed and field not in MANAGED | AT_SUBMIT:
            continue
        errors.append(ProblemError(code="extra_forbidden", detail=_nowhere(field, form), pointer=place))
    told = {error.pointer for error in errors}
    errors += (error for error in _unknown_inside(body) if error.pointer not in told)
    if errors:
        raise _refused(errors)
    return flattened(body, form[section])


def shown(entered: Mapping[str, Any]) -> dict[str, Any]:
    """What was entered, as everybody may read it again: of an identity number, right or wrong, the last characters."""
    number = entered.get(_IDENTITY)
    return {**entered, _IDENTITY: masked(_written(number))} if number is not None else dict(entered)


def unshown(draft: Draft, flat: Mapping[str, Any]) -> dict[str, Any]:
    """What is saved of a section, by field: an identity number that comes back as it was shown is the one that is there.

    Raises the 422 ``Problem`` for one that was shown of another number.
    """
    number, kept = flat.get(_IDENTITY), draft.entered.get(_IDENTITY)
    if number is None or not is_masked(text := _written(number).strip()):
        return dict(flat)
    if kept is None or text != masked(_written(kept)):
        raise _refused([ProblemError(code="identity_number_masked", detail=f"{MASKED} {IN_FULL}", pointer=_IDENTITY_POINTER)])
    return {**flat, _IDENTITY: kept}


def _written(number: object) -> str:
    return number if isinstance(number, str) else json.dumps(number)


def _nowhere(field: str, form: Form) -> str:
    if field in MANAGED:
        return "The draft looks after this by itself. Leave it out."
    if field in AT_SUBMIT:
        return "A draft keeps no secrets. Give it with the submission."
    home = next((name for name, fields in form.items() if field in fields), None)
    return f"This belongs to the section {home}. Save it there." if home else "There is no such field. Check its spelling."


def _unknown_inside(body: Mapping[str, Any]) -> list[ProblemError]:
    """Unknown fields deeper inside, which the order's own description tells."""
    order = {name: value for name, value in body.items() if name not in DRAFT_ONLY - {"services"}}
    try:
        CreateOnboarding.model_validate(order)
    except ValidationError as error:
        unknown = [item["loc"] for item in error.errors(include_url=False) if item["type"] == "extra_forbidden"]
        detail = "There is no such field. Check its spelling or remove it."
        told = {"services": 3, "customer": 2}  # how deep the fields themselves are, which are looked at before
        return [
            ProblemError(code="extra_forbidden", detail=detail, pointer=pointer(place))
            for place in unknown
            if len(place) > told.get(str(place[0]), 1)
        ]
    return []


def _plain(body: Mapping[str, Any]) -> None:
    """Raises for what JSON cannot say, or nobody would: NaN, half a character, a nesting without end."""

    def depth(value: Any, level: int) -> None:
        if level > _DEEPEST:
            raise Problem("invalid_request", f"The body is nested more than {_DEEPEST} levels deep. Nothing here is.")
        if isinstance(value, float) and not math.isfinite(value):
            raise Problem("bad_request", "The body has a number that JSON does not know (NaN or Infinity).")
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            depth(inner, level + 1)

    depth(body, 0)
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Problem("bad_request", "The body has text that is not valid Unicode.") from error


def bounded(draft: Draft) -> Draft:
    """The draft, if it does not hold too much. Raises the 413 ``Problem``."""
    if len(json.dumps(draft.entered)) > MOST_BYTES:
        raise Problem("too_large", f"A draft may hold {MOST_BYTES // 1000} KB. Nothing was saved.")
    return draft


def _refused(errors: Sequence[ProblemError]) -> Problem:
    count = "One thing in the request must" if len(errors) == 1 else f"{len(errors)} things in the request must"
    return Problem("invalid_request", f"{count} be mended. Nothing was saved.", errors=errors[:100])


def with_numbers(draft: Draft, service: int, numbers: Collection[str]) -> dict[str, Any]:
    """What is entered, with these numbers (E.164) added to a service. Those that the draft names already stay where they are."""
    if service >= draft.services:
        message = "Only an account is created, so there are no numbers." if draft.only_account else "There is no such service."
        raise Refused(f"{message} Choose services first, in the section that has them.", code="no_such_service")
    chosen = _numbers(draft, service)
    named = {e164(text, _region(draft)) for at in range(draft.services) for text in _numbers(draft, at).get("explicit", [])}
    added = [number for number in numbers if number not in named]
    return _put(draft, service, chosen | {"explicit": [*chosen.get("explicit", []), *added]})


def without_number(draft: Draft, number: str) -> dict[str, Any]:
    """What is entered, without this number (E.164). What was set for the numbers after it stays theirs."""
    for service in range(draft.services):
        chosen = _numbers(draft, service)
        explicit = chosen.get("explicit", [])
        places = [index for index, text in enumerate(explicit) if e164(text, _region(draft)) == number]
        if places:
            left = [text for index, text in enumerate(explicit) if index not in places]
            entered = _put(draft, service, chosen | {"explicit": left})
            return _moved_settings(entered, str(service), places)
    return dict(draft.entered)


def _region(draft: Draft) -> str:
    stated = {field.partition(".")[2]: value for field, value in draft.entered.items() if field.startswith("customer.")}
    return region_of({"customer": stated}, draft.country)


def _numbers(draft: Draft, service: int) -> dict[str, Any]:
    chosen = draft.entered.get("services.numbers", {}).get(str(service)) or {}
    explicit = chosen.get("explicit") or [] if isinstance(chosen, dict) else None
    if not isinstance(explicit, list) or not all(isinstance(text, str) for text in explicit):
        raise Refused(
            "What was entered as this service's numbers cannot be read. Save its section anew, then add numbers.",
            code="numbers_unreadable",
        )
    return {**chosen, "explicit": explicit}


def _put(draft: Draft, service: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
    every = {**draft.entered.get("services.numbers", {}), str(service): dict(chosen)}
    return {**draft.entered, "services.numbers": every}


def _moved_settings(entered: dict[str, Any], service: str, gone: Sequence[int]) -> dict[str, Any]:
    """Settings are by position, so those of the numbers behind a removed one move up."""
    every = entered.get("services.settings", {})
    settings = every.get(service)
    if not isinstance(settings, list):
        return entered
    kept = []
    for setting in settings:
        number = setting.get("number") if isinstance(setting, dict) else None
        if type(number) is not int:
            kept.append(setting)
        elif number not in gone:
            kept.append({**setting, "number": number - sum(place < number for place in gone)})
    return {**entered, "services.settings": {**every, service: kept}}
