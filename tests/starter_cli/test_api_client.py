"""The CLI's side of the API: repeats what may be repeated, says no in sentences."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from starter.cli.api import Access, Api, CommandFailed, local_access, onboarding_path
from starter.local.state import StateDirectory

ACCESS = Access(url="http://api.test", api_key="dt_key")


def an_api(*answers: httpx.Response | httpx.TransportError) -> tuple[Api, list[httpx.Request]]:
    """An API that gives these answers in turn."""
    waiting, asked = list(answers), list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = waiting.pop(0)
        if isinstance(given, httpx.TransportError):
            raise given
        return given

    return Api(ACCESS, httpx.MockTransport(answer)), asked


def busy() -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "0"}, json={"detail": "Not now.", "code": "unavailable"})


def test_an_order_is_repeated_under_the_same_key_until_it_is_accepted() -> None:
    api, asked = an_api(busy(), httpx.ConnectError("gone"), httpx.Response(202, json={"id": "1"}))
    assert api.order(b"{}", None) == ({"id": "1"}, False)
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
    assert len(asked) == 3


def test_an_order_that_was_not_accepted_tells_how_to_repeat_it_safely() -> None:
    api, _ = an_api(busy(), busy(), busy(), busy())
    with pytest.raises(CommandFailed, match=r"Not now\. .*add --idempotency-key [0-9a-f-]{36}$"):
        api.order(b"{}", None)


def test_a_decision_whose_answer_was_lost_is_repeated_under_the_same_key() -> None:
    api, asked = an_api(httpx.ReadError("lost"), busy(), httpx.Response(200, json={"state": "provisioning"}))
    assert api.post("/v1/onboardings/1/approve") == {"state": "provisioning"}
    assert len(asked) == 3
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1


def test_a_problem_is_told_with_the_place_of_each_error() -> None:
    errors = [{"detail": "Add it.", "pointer": "/customer/service_address", "code": "x"}, {"detail": "Odd.", "code": "y"}]
    api, _ = an_api(httpx.Response(422, json={"detail": "Two things must be mended.", "errors": errors}))
    with pytest.raises(CommandFailed) as refused:
        api.get("/v1/onboardings")
    assert str(refused.value) == "Two things must be mended.\n  /customer/service_address: Add it.\n  Odd."


def test_an_answer_that_is_not_ours_is_not_mistaken_for_one() -> None:
    api, _ = an_api(httpx.Response(200, text="<html>a proxy's login page</html>"))
    with pytest.raises(CommandFailed, match="not one of Dialtone's"):
        api.get("/v1/onboardings")


def stream(*sequences: int) -> httpx.Response:
    frames = "".join(f"id: {n}\nevent: e\ndata: {json.dumps({'sequence': n})}\n\n" for n in sequences)
    return httpx.Response(200, text=f"retry: 2000\n\n{frames}")


def test_following_goes_on_after_a_lost_connection_without_losing_or_repeating_an_entry() -> None:
    api, asked = an_api(stream(1, 2), httpx.ReadError("lost"), stream(3), httpx.Response(204))
    assert [event["sequence"] for event in api.follow("1")] == [1, 2, 3]
    assert [request.headers["Last-Event-ID"] for request in asked] == ["0", "2", "2", "3"]


@pytest.mark.parametrize("typed", ["a/../../keys", "a?white_label=b", "a#b", "../numbers", "é %"])
def test_whatever_is_typed_as_an_id_stays_an_id(typed: str) -> None:
    api, asked = an_api(httpx.Response(200, json={}), httpx.Response(204))
    api.get(onboarding_path(typed, "status"))
    assert list(api.follow(typed)) == []
    for request, verb in zip(asked, ("status", "events"), strict=True):
        segments = request.url.raw_path.decode().split("/")
        assert (segments[:3], unquote(segments[3]), segments[4:]) == (["", "v1", "onboardings"], typed, [verb])


def test_without_a_stack_the_way_out_is_named(in_empty_directory: Callable[[], Path]) -> None:
    in_empty_directory()
    with pytest.raises(CommandFailed, match=r"dialtone up.*DIALTONE_URL"):
        local_access(None, None)


def test_the_local_stack_is_found_by_its_state_directory(in_empty_directory: Callable[[], Path]) -> None:
    state = StateDirectory(in_empty_directory() / ".dialtone")
    state.keep_environment({"DIALTONE_BASE_URL": "http://127.0.0.1:8400"})
    state.keep_api_keys({"operator": "dt_1", "approver": "dt_2"})
    assert local_access(None, None) == Access("http://127.0.0.1:8400", "dt_1")
    assert local_access(None, None, "approver").api_key == "dt_2"
    assert local_access("http://other", "dt_3") == Access("http://other", "dt_3")
