import ast
import inspect
import uuid

from hypothesis import given
from hypothesis import strategies as st

from domain import keys
from domain.onboarding import Step

ids = st.uuids().map(str)
steps = st.sampled_from(Step).flatmap(
    lambda step: st.sampled_from([step, f"{step}:0", f"{step}:1", f"{step}:card_reminder_1_2"])
)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)


@given(st.tuples(ids, steps, st.integers(1, 99)), st.tuples(ids, steps, st.integers(1, 99)))
def test_two_intents_have_two_keys(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    assert (keys.step_key(*one) == keys.step_key(*other)) == (one == other)


@given(st.tuples(ids, names), st.tuples(ids, names))
def test_an_idempotency_key_means_one_onboarding_of_one_tenant(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (keys.onboarding_id(*one) == keys.onboarding_id(*other)) == (one == other)


@given(st.lists(st.tuples(ids, st.integers(0, 49)), unique=True, max_size=50))
def test_no_two_services_share_a_line(services: list[tuple[str, int]]) -> None:
    assert len({keys.line_name(*service) for service in services}) == len(services)


def test_a_line_name_is_too_long_to_be_met_twice() -> None:
    """With ten million lines on one switch, two of the same name must be less likely than one in a hundred million.

    The name is the line: a second customer with it would take over the first one's registration and password.
    """
    name = keys.line_name(str(uuid.UUID(int=1)), 0)
    random_bits = 4 * len(name.removeprefix("d")) - 6  # a UUID's version and variant are not random
    assert 10_000_000**2 / 2 / 2**random_bits < 1e-8


@given(ids)
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


def test_nothing_enters_a_key_that_changes_when_a_step_is_tried_again() -> None:
    """Neither a run id, an attempt nor the time: the functions know only their arguments, and those are our own ids."""
    functions = [
        function for _, function in inspect.getmembers(keys, inspect.isfunction) if function.__module__ == keys.__name__
    ]
    taken = {name for function in functions for name in inspect.signature(function).parameters}
    assert taken == {"tenant_id", "idempotency_key", "onboarding", "position", "step", "generation", "principal", "update"}
    tree = ast.parse(inspect.getsource(keys))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    of_uuid = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "uuid"}
    assert imported == {"uuid"}
    assert of_uuid == {"UUID", "uuid5"}


def test_a_decision_is_the_same_one_only_of_the_same_principal() -> None:
    first = keys.update_id("key:a", "approve", "k")
    assert first == keys.update_id("key:a", "approve", "k")
    others = {keys.update_id(*of) for of in (("key:b", "approve", "k"), ("key:a", "reject", "k"), ("key:a", "approve", "l"))}
    assert len({first, *others}) == 4
