import pytest

from domain.onboarding import TRANSITIONS, State

NOT_FINAL = [state for state in State if not state.is_final]
# TMF622 product order states, of version 4.
TM_FORUM = {
    "acknowledged",
    "rejected",
    "pending",
    "held",
    "inProgress",
    "cancelled",
    "completed",
    "failed",
    "partial",
    "assessingCancellation",
    "pendingCancellation",
}


def reachable_from(state: State) -> set[State]:
    found: set[State] = set()
    to_visit = [state]
    while to_visit:
        for following in TRANSITIONS[to_visit.pop()] - found:
            found.add(following)
            to_visit.append(following)
    return found


def test_the_table_knows_every_state_and_leads_to_no_other() -> None:
    assert set(TRANSITIONS) == set(State)
    assert all(following <= set(State) for following in TRANSITIONS.values())


def test_every_state_can_be_reached() -> None:
    assert reachable_from(State.OPENING) | {State.OPENING} == set(State)


@pytest.mark.parametrize("state", NOT_FINAL)
def test_no_state_is_a_trap(state: State) -> None:
    assert any(following.is_final for following in reachable_from(state))


@pytest.mark.parametrize("state", [state for state in NOT_FINAL if state is not State.COMPENSATING])
def test_everything_can_be_undone_from_wherever_it_stands(state: State) -> None:
    assert State.COMPENSATING in TRANSITIONS[state]


def test_going_live_is_the_point_of_no_return() -> None:
    assert TRANSITIONS[State.ACTIVE] == frozenset()
    assert [state for state in State if State.ACTIVE in TRANSITIONS[state]] == [State.PROVISIONING]


def test_nothing_goes_forward_again_once_it_is_being_undone() -> None:
    assert TRANSITIONS[State.COMPENSATING] == {state for state in State if state.is_final} - {State.ACTIVE}
    assert reachable_from(State.COMPENSATING) == set(TRANSITIONS[State.COMPENSATING])


def test_only_the_states_that_lead_nowhere_are_final() -> None:
    finals = {State.ACTIVE, State.REJECTED, State.EXPIRED, State.DECLINED, State.CANCELLED, State.FAILED}
    assert {state for state in State if state.is_final} == finals


def test_a_held_onboarding_resumes_only_where_it_was_held() -> None:
    back = {state for state in State if State.HELD in TRANSITIONS[state]}
    assert TRANSITIONS[State.HELD] == back | {State.COMPENSATING}


def test_no_state_follows_itself() -> None:
    assert not [state for state in State if state in TRANSITIONS[state]]


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_name_in_the_tm_forum_model(state: State) -> None:
    assert state.tm_forum in TM_FORUM


def test_the_tm_forum_names_agree_with_what_is_final() -> None:
    ended = {"completed", "rejected", "cancelled", "failed"}
    assert {state for state in State if state.tm_forum in ended} == {state for state in State if state.is_final}
    assert State.ACTIVE.tm_forum == "completed"
    assert [state for state in State if state.tm_forum == "held"] == [State.HELD]
    assert [state for state in State if state.tm_forum == "pendingCancellation"] == [State.COMPENSATING]
