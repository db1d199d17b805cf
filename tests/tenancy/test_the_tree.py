"""An administrator acts in an account and everything below it, and nowhere else."""

import asyncio

import pytest
from temporalio.service import RPCError

from domain.keys import onboarding_id, workflow_id
from tests.tenancy.conftest import LOWER, OTHER, UPPER, Town

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.requirement("S1-01", "S2-02", "S2-03", "S2-05")
async def test_an_account_is_seen_from_itself_and_from_above_and_from_nowhere_else(town: Town) -> None:
    view = await town.live("lower")
    customer = (await town.ask("GET", f"/v1/accounts/{view['account_id']}", "lower")).json()
    assert (customer["parent_id"], customer["kind"], customer["status"]) == (LOWER.id, "customer", "active")
    for path in (f"/v1/onboardings/{view['id']}", f"/v1/onboardings/{view['id']}/events", f"/v1/accounts/{view['account_id']}"):
        for above in ("lower", "upper", "platform"):
            assert (await town.ask("GET", path, above)).status_code == 200
        strange = await town.ask("GET", path, "other")
        unknown = await town.ask("GET", path.replace(view["id"], NOWHERE).replace(view["account_id"], NOWHERE), "other")
        assert (strange.status_code, strange.json()["detail"]) == (404, unknown.json()["detail"])
    for above, sees in (("lower", True), ("upper", True), ("platform", True), ("other", False)):
        listed = [item["id"] for item in (await town.ask("GET", "/v1/onboardings", above)).json()["items"]]
        assert (view["id"] in listed) is sees
    above_it = await town.ask("GET", f"/v1/accounts/{UPPER.id}", "lower")
    assert above_it.status_code == 404


@pytest.mark.requirement("S2-06")
async def test_the_tree_is_listed_level_by_level_and_never_beyond_ones_own(town: Town) -> None:
    view = await town.live("lower")
    (reseller,) = (await town.ask("GET", "/v1/accounts", "upper")).json()["items"]
    assert (reseller["id"], reseller["kind"]) == (LOWER.id, "reseller")
    (customer,) = (await town.ask("GET", "/v1/accounts?kind=customer", "lower")).json()["items"]
    assert (customer["id"], customer["name"]) == (view["account_id"], "Harbour Books Ltd")
    (customer,) = (await town.ask("GET", f"/v1/accounts?parent={LOWER.id}", "upper")).json()["items"]
    assert customer["id"] == view["account_id"]
    assert (await town.ask("GET", f"/v1/accounts?parent={LOWER.id}&kind=reseller", "upper")).json()["items"] == []
    assert (await town.ask("GET", f"/v1/accounts?parent={LOWER.id}", "other")).status_code == 404
    first = (await town.ask("GET", "/v1/accounts?page_size=1", "platform")).json()
    second = (await town.ask("GET", f"/v1/accounts?page_size=1&page_token={first['next_page_token']}", "platform")).json()
    assert {first["items"][0]["id"], second["items"][0]["id"]} == {UPPER.id, OTHER.id}
    assert second["next_page_token"] is None
    forged = await town.ask("GET", "/v1/accounts?page_token=nonsense", "platform")
    assert (forged.status_code, forged.json()["code"]) == (400, "page_token_invalid")


@pytest.mark.requirement("S3-10")
async def test_the_reseller_of_a_new_customer_may_be_named_by_whoever_is_above_it(town: Town) -> None:
    view = await town.live("upper", "Named Ltd", white_label="lower")
    assert view["tenant_id"] == LOWER.id
    customer = (await town.ask("GET", f"/v1/accounts/{view['account_id']}", "upper")).json()
    assert customer["parent_id"] == LOWER.id
    implied = await town.live("upper", "Implied Ltd")
    assert implied["tenant_id"] == UPPER.id
    answers = [await town.order("lower", white_label=name) for name in (UPPER.slug, OTHER.slug, "nobody-at-all")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_whoever_is_above_steers_what_is_below_and_whoever_is_beside_does_not(town: Town) -> None:
    answer = await town.order("lower", administration="customer", email="c@example.com")
    onboarding = answer.json()["id"]
    assert (await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", "other")).status_code == 404
    cancelled = await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", "upper", json={"reason": "From above"})
    assert cancelled.status_code == 200, cancelled.text
    assert (await town.ended(onboarding, "lower"))["state"] == "cancelled"


@pytest.mark.requirement("S1-02", "S1-03")
async def test_only_administrators_create_customers_and_a_refusal_writes_nothing(town: Town) -> None:
    view = await town.live("upper")
    account = view["account_id"]
    tokens = {
        "account_administrator": await town.user("upper", account, "aa@example.com", "account_administrator"),
        "standard_user": await town.user("upper", account, "su@example.com", "standard_user"),
        "account auditor": await town.user("upper", account, "au@example.com", "auditor"),
        "sub-admin without the right": await town.user(
            "upper", UPPER.id, "sub@example.com", "sub_admin", rights=["read", "operate", "approve", "manage_users"]
        ),
    }
    for who in ("approver", "auditor", *tokens.values()):
        refused = await town.order(who, "Not Allowed Ltd", key="refused")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await town.order("ds_nobody", "Not Allowed Ltd", key="refused")).status_code == 401
    assert [order.id for order in (await town.database.books.read()).orders] == [view["id"]]
    with pytest.raises(RPCError, match="not found"):
        await town.client.get_workflow_handle(workflow_id(onboarding_id(UPPER.id, "refused"))).describe()
    allowed = await town.user("upper", UPPER.id, "sub2@example.com", "sub_admin", rights=["read", "onboard"])
    assert (await town.live(allowed, "Allowed Ltd"))["state"] == "active"


async def test_where_an_operator_sat_who_accepted_the_terms_is_for_operators_only(town: Town) -> None:
    view = await town.live("upper")
    asked = (f"/v1/onboardings/{view['id']}", "/v1/onboardings")

    async def seen(by: str) -> list[tuple[str, str | None]]:
        answers = [(await town.ask("GET", path, by)).json() for path in asked]
        shown = [answers[0], *answers[1]["items"]]
        return [(one["terms"]["accepted_by"], one["terms"]["address"]) for one in shown]

    operators = await seen("auditor")
    assert all(by.startswith("key-") and address == "127.0.0.1" for by, address in operators)
    for role in ("account_administrator", "standard_user", "auditor"):
        own = await town.user("upper", view["account_id"], f"{role}@example.com", role)
        assert await seen(own) == [("operator", None)] * 2


@pytest.mark.requirement("S4-02")
async def test_a_reseller_is_made_by_the_same_process_and_customers_are_created_under_it(town: Town) -> None:
    made = await town.live("upper", "Third Level Ltd", account_kind="reseller", email="boss@third.example.com")
    account = (await town.ask("GET", f"/v1/accounts/{made['account_id']}", "upper")).json()
    assert (account["kind"], account["status"], account["parent_id"]) == ("reseller", "active", UPPER.id)
    events = [event["event"] for event in await town.timeline(made["id"])]
    assert {"order_received", "account_opened", "active", "administrator_added"} <= set(events)

    for email, role, rights in (
        ("admin@third.example.com", "admin", []),
        ("sub@third.example.com", "sub_admin", ["read", "onboard"]),
    ):
        token = await town.user("upper", account["id"], email, role, rights=rights)
        view = await town.live(token, f"Customer of {role}")
        assert view["tenant_id"] == account["id"]
        assert view["state"] == "active"
        assert (await town.ask("GET", f"/v1/onboardings/{view['id']}", "upper")).status_code == 200
        assert (await town.ask("GET", f"/v1/onboardings/{view['id']}", "lower")).status_code == 404
    deeper = await town.live("upper", "Fourth Level Ltd", account_kind="reseller", white_label=account["id"])
    assert (await town.live("platform", "Deep Ltd", white_label=deeper["account_id"]))["tenant_id"] == deeper["account_id"]


async def test_a_reseller_has_no_lines_and_kinds_are_not_made_up(town: Town) -> None:
    lines = await town.order("upper", account_kind="reseller", services=[{"label": "Front desk"}])
    assert (lines.status_code, lines.json()["errors"][0]["code"]) == (422, "reseller_has_no_lines")
    platform = await town.order("upper", account_kind="platform")
    assert (platform.status_code, platform.json()["errors"][0]["pointer"]) == (422, "/account_kind")


@pytest.mark.requirement("S2-12", "S2-13")
async def test_a_name_is_one_customers_across_all_resellers_and_nobody_learns_whose(town: Town) -> None:
    first = await town.live("lower", "Harbour Books Ltd")
    assert first["state"] == "active"
    second = await town.live("other", " harbour  BOOKS ltd ")
    assert (second["state"], second["outcome"]["code"]) == ("rejected", "name_taken")
    assert (await town.ask("GET", f"/v1/accounts/{second['account_id']}", "other")).status_code == 404, "no account was opened"
    told = str(second) + str(await town.timeline(second["id"]))
    for betraying in (LOWER.id, LOWER.name, LOWER.slug, first["id"], first["account_id"]):
        assert betraying not in told


@pytest.mark.requirement("S2-14")
async def test_of_many_creations_of_one_name_at_once_exactly_one_succeeds(town: Town) -> None:
    views = await asyncio.gather(*(town.live(by, "Wanted By All Ltd") for by in ("upper", "lower", "other", "upper", "lower")))
    assert sorted(view["state"] for view in views) == ["active", *["rejected"] * 4]
    assert {view["outcome"]["code"] for view in views if view["state"] == "rejected"} == {"name_taken"}
