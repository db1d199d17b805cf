"""Errors as HTTP says them: RFC 9457 problems. The only place where an error of the product becomes a status."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from domain.errors import DialtoneError, NotFound, Refused, Unavailable
from domain.rules import Finding, Severity
from starter.reading import NameTwice

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 100
"""How many errors of one request are told. A megabyte of fields that do not exist would be answered by seven of errors."""


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS = {
    "bad_request": Kind(
        400, "The request cannot be read", "Send well-formed JSON in UTF-8 with Content-Type application/json."
    ),
    "idempotency_key_missing": Kind(
        400,
        "The Idempotency-Key is missing",
        "Send a header Idempotency-Key with a value that is new for every new order, a UUID for example. Sending the same "
        "request with the same key again is always safe.",
    ),
    "idempotency_key_invalid": Kind(
        400, "The Idempotency-Key is not valid", "Use 1 to 255 printable ASCII characters, with or without quotes around them."
    ),
    "page_token_invalid": Kind(
        400,
        "The page token is not valid",
        "Use next_page_token exactly as it was given, with the same filters, or start again without it.",
    ),
    "bad_signature": Kind(400, "The signature is not valid", "Check the webhook secret on both sides."),
    "unauthenticated": Kind(401, "The API key is missing or unknown", "Send it as: Authorization: Bearer dt_..."),
    "sign_in_refused": Kind(
        401, "You are not signed in", "Check the e-mail address, the password and the white label, or ask for an invitation."
    ),
    "not_allowed": Kind(403, "This key may not do that", "Use a key with the role that the answer names."),
    "approver_is_requester": Kind(
        403, "The requester cannot decide", "Somebody other than the one who placed the order has to approve or reject it."
    ),
    "not_found": Kind(404, "There is no such thing", "Check the id. Things of other white labels are answered alike."),
    "method_not_allowed": Kind(405, "The method is not allowed here", "The Allow header names the methods that are."),
    "refused": Kind(409, "The answer is no", "The detail says why. The same request will be answered the same way."),
    "email_in_use": Kind(
        409, "There is such a user already", "Add the user to the account with the act add, instead of creating another one."
    ),
    "no_such_user": Kind(409, "There is no such user here", "Create the user, or send an invitation."),
    "already_finished": Kind(409, "The onboarding has ended", "Its outcome says how. Start a new one if it is still wanted."),
    "number_unavailable": Kind(
        409, "A number cannot be had", "Somebody else has it, or it rests after its last customer. Search for another one."
    ),
    "basket_gone": Kind(409, "The basket holds nothing any more", "Open another basket and choose again."),
    "number_not_assigned": Kind(409, "Nobody has this number", "Only a number that an active customer has can be given back."),
    "number_busy": Kind(
        409,
        "Something is being done with this number",
        "Look at the number in a moment; one act upon it at a time is carried out.",
    ),
    "not_former_customer": Kind(
        409, "Another customer had this number", "While it rests, only the customer that had it may have it back."
    ),
    "draft_changed": Kind(
        412, "The draft was changed meanwhile", "Look at it again, put your change on top of the others', and repeat."
    ),
    "draft_submitted": Kind(409, "The draft was submitted", "Follow its onboarding; a new order begins with a new draft."),
    "draft_submitting": Kind(409, "The draft is being submitted", "Submit it again: that tells how it ended."),
    "not_active": Kind(409, "The service is not active", "Wait until the onboarding's state is active."),
    "changed_meanwhile": Kind(
        412,
        "Somebody changed it meanwhile",
        "Look at it again, and send the change with the ETag that it has now.",
    ),
    "too_large": Kind(
        413,
        "The body is too large",
        "A body may hold 128 KB, an import of numbers 1 MB, a file of orders 20 MB. Send long lists in several requests.",
    ),
    "media_type_unknown": Kind(
        415,
        "The file is of another kind",
        "Send text/csv, application/x-ndjson, or multipart/form-data with the file in a field called file.",
    ),
    "content_encoded": Kind(
        415, "The body is compressed", "Send it as it is, without Content-Encoding: compressed bodies are not read here."
    ),
    "file_unreadable": Kind(422, "The file cannot be read", "The detail says where. Nothing of it was used."),
    "invalid_request": Kind(422, "The request is not valid", "Every entry of errors says where and how to mend it."),
    "warnings_not_acknowledged": Kind(
        422,
        "The order has warnings",
        "Mend what the warnings say, or send the order again with their codes in acknowledged_warnings.",
    ),
    "idempotency_key_reused": Kind(
        422,
        "The Idempotency-Key was used for another request",
        "A key stands for one request body. Use a new key for a new order, or repeat the first body exactly.",
    ),
    "too_many_attempts": Kind(
        429, "Too many attempts", "Wait for the seconds in Retry-After, then try again with what is right."
    ),
    "too_many_invitations": Kind(
        429, "Too many invitations", "Wait for the seconds in Retry-After, then invite again. The newest link still works."
    ),
    "too_many_streams": Kind(
        429,
        "Too many event streams are open",
        "Close those that are not needed any more, or ask for the timeline as JSON, which has no limit.",
    ),
    "internal": Kind(500, "Something went wrong on our side", "Tell support the instance of this problem."),
    "unavailable": Kind(503, "Not available right now", "Send the same request again after the seconds in Retry-After."),
}


class ProblemError(BaseModel):
    """One thing that is wrong with a request."""

    code: str = Field(examples=["service_address_missing"])
    detail: str = Field(examples=["A telephone number needs the address where it is used. Add it."])
    pointer: str | None = Field(
        default=None, description="JSON pointer (RFC 6901) into the body", examples=["/customer/service_address"]
    )
    parameter: str | None = Field(default=None, description="Name of the query, path or header parameter")
    severity: Severity = Field(
        default=Severity.ERROR, description="An error must be mended; a warning may be named in acknowledged_warnings instead"
    )
    section: str | None = Field(default=None, description="Which part of the order it is about", examples=["customer"])


class ProblemBody(BaseModel):
    """An RFC 9457 problem. Match on ``code``; ``detail`` is for people and may change."""

    type: str = Field(description="Absolute URI of a page about this kind of problem")
    title: str
    status: int
    detail: str
    code: str
    instance: str = Field(description="This occurrence; the same id is in the header X-Request-Id and in the logs")
    errors: list[ProblemError] = []


class Problem(Exception):  # the word of RFC 9457
    """An answer that is a problem. ``code`` decides the status unless one is given."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[ProblemError] = (),
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.kind = code if code in KINDS else "refused"
        self.status = status or KINDS[self.kind].status
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}


def of_error(error: DialtoneError) -> Problem:
    """The HTTP side of an error of the product."""
    if isinstance(error, NotFound):
        return Problem("not_found", error.message)
    if isinstance(error, Unavailable):
        wait = str(math.ceil(error.retry_after or 5))
        problem = Problem("unavailable", error.message, headers={"Retry-After": wait})
        problem.code = error.code
        return problem
    if isinstance(error, Refused):
        return Problem(error.code, error.message)
    return Problem("internal", "Something unexpected happened. It was logged.")


def of_finding(finding: Finding) -> ProblemError:
    """What was found about an order, as an entry of a problem or of a report."""
    return ProblemError(
        code=finding.code,
        detail=finding.said,
        pointer=finding.pointer,
        severity=finding.severity,
        section=finding.section,
    )


def of_findings(findings: Sequence[Finding]) -> Problem:
    """A body that was understood and cannot be, or that has warnings nobody has acknowledged."""
    errors = [of_finding(item) for item in findings]
    if all(item.severity is Severity.WARNING for item in findings):
        return Problem("warnings_not_acknowledged", KINDS["warnings_not_acknowledged"].advice, errors=errors)
    return Problem("invalid_request", _count(len(errors)), errors=errors)


def _count(errors: int) -> str:
    return "One thing in the request must be mended." if errors == 1 else f"{errors} things in the request must be mended."


_NO_DAY = ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact")
_NO_MOMENT = ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid")
_SENTENCES = {
    "missing": "This is missing. Add it.",
    "extra_forbidden": "There is no such field. Check its spelling or remove it.",
    "json_invalid": "This is not well-formed JSON.",
    "string_unicode": "This text is not valid Unicode.",
    "none_required": "This must be null.",
    "union_tag_not_found": "The field that says which kind it is is missing. Add it.",
    **dict.fromkeys(_NO_DAY, "This is not a date. Write it as 2027-03-31."),
    **dict.fromkeys(_NO_MOMENT, "This is not a date with a time. Write it as 2027-03-31T09:00:00Z."),
    "timezone_aware": "This is a time without its zone. Write it as 2027-03-31T09:00:00Z.",
    **dict.fromkeys(("model_attributes_type", "model_type", "dict_type"), "This must be a JSON object."),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "This must be a JSON array."),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "This must be a whole number."),
    **dict.fromkeys(("float_type", "float_parsing"), "This must be a number."),
    **dict.fromkeys(("bool_type", "bool_parsing"), "This must be true or false."),
    "string_type": "This must be text.",
}
# What pydantic calls things, which are Python's names and not JSON's.
_WORDS = (
    (re.compile(r"^(?:Input|String|Tuple|List|Set|Dictionary|Data) (?=should )"), "This "),
    (re.compile(r" after validation"), ""),
    (re.compile(r"^Input tag .* expected tags: "), "There is no such kind. Choose from: "),
    (re.compile(r"\bTrue\b"), "true"),
    (re.compile(r"\bFalse\b"), "false"),
)


def sentence(kind: str, message: str) -> str:
    """What pydantic found, as a sentence for people."""
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    text = message.removeprefix("Value error, ").strip()
    if text == message:
        for words, ours in _WORDS:
            text = words.sub(ours, text)
    # Validators of the domain speak of their field: "is not an IANA time zone; ...".
    text = f"This {text}" if text.startswith(("is ", "holds ")) else text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) from a path of keys and positions.

    What is wrong with a key is shown at what stands under it: no pointer names a key itself.
    """
    if location and location[-1] == "[key]":
        location = location[:-1]
    parts = [str(part).encode("utf-8", "replace").decode() for part in location]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def of_validation_error(error: ValidationError) -> list[ProblemError]:
    """What is wrong with data that were read from elsewhere than a body: the same codes and sentences."""
    return [
        ProblemError(code=item["type"], detail=sentence(item["type"], item["msg"]), pointer=pointer(item["loc"]))
        for item in error.errors(include_url=False, include_input=False, include_context=False)[:MOST_ERRORS]
    ]


def _of_validation(error: RequestValidationError) -> Problem:
    found: list[ProblemError] = []
    errors = error.errors()
    for item in errors[:MOST_ERRORS]:
        place, *location = item["loc"]
        if place == "path":
            # What cannot be an id is the id of nothing; the same answer for all of them.
            return Problem("not_found", "There is nothing at this address.")
        name = str(location[0]) if location else ""
        if place == "header" and name.lower() == "idempotency-key":
            code = "idempotency_key_missing" if item["type"] == "missing" else "idempotency_key_invalid"
            return Problem(code, KINDS[code].advice)
        if item["type"] == "json_invalid":
            why = str(item.get("ctx", {}).get("error", ""))
            twice = why.startswith(NameTwice.BEGINS)
            return Problem("bad_request", why if twice else "The body is not well-formed JSON.")
        detail = sentence(item["type"], item["msg"])
        if place == "body":
            found.append(ProblemError(code=item["type"], detail=detail, pointer=pointer(location)))
        else:
            found.append(ProblemError(code=item["type"], detail=detail, parameter=name))
    untold = f" The first {MOST_ERRORS} are told." if len(errors) > MOST_ERRORS else ""
    return Problem("invalid_request", _count(len(errors)) + untold, errors=found)


def respond(problem: Problem, base_url: str, request_id: str) -> JSONResponse:
    """The problem as a response."""
    body = ProblemBody(
        type=f"{base_url}/problems/{problem.kind}",
        title=KINDS[problem.kind].title,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        instance=f"urn:uuid:{request_id}",
        errors=problem.errors,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


_BY_STATUS = {
    400: "bad_request",
    401: "unauthenticated",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "content_encoded",
}


def of_http(error: HTTPException) -> Problem:
    """What the framework raises by itself."""
    code = _BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    detail = {
        "not_found": "There is nothing at this address.",
        "method_not_allowed": "This address does not know this method.",
        "too_large": "The body is too large: it may hold 128 KB, an import of numbers 1 MB, a file of orders 20 MB.",
        "content_encoded": "The body has a Content-Encoding, and only bodies without one are read. Send it as it is.",
    }.get(code, f"{HTTPStatus(error.status_code).phrase}.")
    return Problem(code, detail, status=error.status_code, headers=dict(error.headers or {}))


def _methods(request: Request) -> list[str]:
    """What the address knows. The framework names the methods of one of its routes only."""
    paths = request.app.openapi()["paths"]
    return sorted(
        {
            method.upper()
            for path, methods in paths.items()
            if compile_path(path)[0].match(request.url.path)
            for method in methods
        }
    )


def install(app: FastAPI, base_url: str) -> None:
    """Make every error of the application a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        match error:
            case Problem():
                problem = error
            case DialtoneError():
                problem = of_error(error)
            case RequestValidationError():
                problem = _of_validation(error)
            case HTTPException():
                problem = of_http(error)
                if problem.code == "method_not_allowed":
                    problem.headers["Allow"] = ", ".join(_methods(request)) or problem.headers.get("Allow", "")
            case _:
                raise error
        return respond(problem, base_url, request.state.request_id)

    for kind in (Problem, DialtoneError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
