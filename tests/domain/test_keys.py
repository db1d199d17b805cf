import ast
import inspect
import uuid
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain import keys
from domain.onboarding import Step

# All of a few that run together when a separator is missing: chance would hardly ever try two of them.
NAMES = ["a", "b", "aa", "ab", "ba", "bb", "a1", "a11"]
STEPS = [*Step, "provision_line:0", "provision_line:1", "provision_line:11", "send_mail:card_reminder_1", "send_mail:1"]
IDS = [str(uuid.UUID(int=number)) for number in range(3)]


def test_two_intents_have_two_keys() -> None:
    intents = list(product(IDS, STEPS, range(1, 112)))
    assert len({keys.step_key(*intent) for intent in intents}) == len(intents)


def test_an_idempotency_key_means_one_onboarding_of_one_tenant() -> None:
    requests = list(product(NAMES, NAMES))
    assert len({keys.onboarding_id(*request) for request in requests}) == len(requests)


def test_no_two_services_share_a_line() -> None:
    services = list(product(NAMES, range(112)))
    assert len({keys.line_name(*service) for service in services}) == len(services)


def test_a_line_name_is_too_long_to_be_met_twice() -> None:
    """With ten million lines on one switch, two of the same name must be less likely than one in a hundred million.

    The name is the line: a second customer with it would take over the first one's registration and password.
    """
    name = keys.line_name(str(uuid.UUID(int=1)), 0)
    random_bits = 4 * len(name.removeprefix("d")) - 6  # a UUID's version and variant are not random
    assert 10_000_000**2 / 2 / 2**random_bits < 1e-8


@given(st.uuids().map(str))
def test_the_ids_of_one_onboarding_do_not_stand_for_each_other(onboarding: str) -> None:
    derived = {onboarding, keys.account_id(onboarding), keys.line_name(onboarding, 0), keys.workflow_id(onboarding)}
    assert len(derived) == 4


def test_keys_are_the_same_in_every_release() -> None:
    """A release that derives another key for the same intent charges a second time. These may never change."""
    assert keys.onboarding_id("tenant", "key") == "2f3954bc-a662-5aa9-83ba-27f656ff0335"
    assert keys.account_id("order") == "c5730d5b-ff2a-55df-b0c1-52740f30787f"
    assert keys.step_key("order", "authorise_payment", 2) == "order:authorise_payment:2"
    assert keys.step_key("order", "open_account") == "order:open_account:1"
    assert keys.workflow_id("order") == "onboarding/order"
    assert keys.line_name("order", 0) == "d65cb86fc96875e0f86bb"


def test_nothing_enters_a_key_that_changes_when_a_step_is_tried_again() -> None:
    """Neither a run id, an attempt nor the time: the functions know only their arguments, and those are our own ids."""
    functions = [
        function for _, function in inspect.getmembers(keys, inspect.isfunction) if function.__module__ == keys.__name__
    ]
    taken = {name for function in functions for name in inspect.signature(function).parameters}
    own = {"tenant_id", "idempotency_key", "onboarding", "position", "step", "generation", "principal", "update", "scope"}
    # ``run`` is a bulk run of ours, never Temporal's; ``begun`` is what a draft says of itself as long as there is one.
    assert taken == own | {"e164", "draft", "earlier", "begun", "run", "row"}
    tree = ast.parse(inspect.getsource(keys))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    of_uuid = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "uuid"}
    assert imported == {"uuid", "datetime"}
    assert "now" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert of_uuid == {"UUID", "uuid5"}


def test_a_decision_is_the_same_one_only_of_the_same_principal() -> None:
    first = keys.update_id("key:a", "approve", "k")
    assert first == keys.update_id("key:a", "approve", "k")
    others = {keys.update_id(*of) for of in (("key:b", "approve", "k"), ("key:a", "reject", "k"), ("key:a", "approve", "l"))}
    assert len({first, *others}) == 4
