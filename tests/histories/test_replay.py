"""Onboardings that waited through a deploy: what every release has recorded must still replay."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from domain.onboarding import State
from tests.histories.others import OTHERS
from tests.histories.record import HERE, VERSION
from tests.histories.scenes import SCENES
from tests.workflows.broken import DividesByZero
from worker import WORKFLOWS, sandbox

FILES = sorted(HERE.glob("*/*.json"))


def replayer(*workflows: type) -> Replayer:
    return Replayer(workflows=workflows or WORKFLOWS, workflow_runner=sandbox(), data_converter=pydantic_data_converter)


def read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"onboarding/{path.stem}", path.read_text())


def result_of(path: Path) -> dict[str, Any]:
    """The value that a stored run returned."""
    last = json.loads(path.read_text())["events"][-1]
    (payload,) = last["workflowExecutionCompletedEventAttributes"]["result"]["payloads"]
    result: dict[str, Any] = json.loads(base64.b64decode(payload["data"]))
    return result


def end_of(path: Path) -> str:
    """The state and code with which a stored run ended, or what kind of failure it ended with."""
    events: list[dict[str, Any]] = json.loads(path.read_text())["events"]
    last = events[-1]
    if "workflowExecutionCompletedEventAttributes" in last:
        outcome = result_of(path)
        return " ".join(filter(None, (outcome["state"], outcome["code"])))
    if "workflowExecutionCanceledEventAttributes" in last:
        return "Cancelled"
    failure = last["workflowExecutionFailedEventAttributes"]["failure"]
    while "applicationFailureInfo" not in failure:
        failure = failure["cause"]
    return f"Failed {failure['applicationFailureInfo']['type']}"


def test_every_scene_was_recorded_for_this_release() -> None:
    assert {path.stem for path in (HERE / VERSION).glob("*.json")} == {*SCENES, *OTHERS}, "run `make histories`"


def test_every_end_of_an_onboarding_is_among_them() -> None:
    ends = {end_of(HERE / VERSION / f"{name}.json").split()[0] for name in SCENES}
    assert ends == {state.value for state in State if state.is_final} | {"Failed", "Cancelled"}


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ended_as_it_should(name: str) -> None:
    assert end_of(HERE / VERSION / f"{name}.json") == SCENES[name].ends


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_onboarding_ended_as_it_should(name: str) -> None:
    result = result_of(HERE / VERSION / f"{name}.json")
    assert {key: result.get(key) for key in OTHERS[name].ends} == OTHERS[name].ends


def test_every_workflow_is_among_them() -> None:
    kinds = {
        json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
        for path in (HERE / VERSION).glob("*.json")
    }
    assert len(kinds) == len(WORKFLOWS), kinds


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
async def test_a_stored_history_replays(path: Path) -> None:
    await replayer().replay_workflow(read(path))


async def test_a_workflow_that_does_something_else_is_noticed() -> None:
    with pytest.raises((NondeterminismError, RuntimeError)):
        await replayer(DividesByZero).replay_workflow(read(HERE / VERSION / "parent_pays.json"))


def test_no_history_names_the_machine_that_recorded_it() -> None:
    for path in FILES:
        text = path.read_text()
        assert str(HERE.parents[1]) not in text, path
        assert "stackTrace" not in text, path
        assert set(re.findall(r'"identity":"([^"]*)"', text)) == {"recorder"}, path
