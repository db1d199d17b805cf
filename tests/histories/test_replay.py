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
from tests.histories.record import HERE, VERSION
from tests.histories.scenes import SCENES
from tests.workflows.broken import DividesByZero
from worker import sandbox
from workflows.onboarding import OnboardingWorkflow

FILES = sorted(HERE.glob("*/*.json"))


def replayer(workflow: type = OnboardingWorkflow) -> Replayer:
    return Replayer(workflows=[workflow], workflow_runner=sandbox(), data_converter=pydantic_data_converter)


def read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"onboarding/{path.stem}", path.read_text())


def end_of(path: Path) -> str:
    """The state and code with which a stored run ended, or what kind of failure it ended with."""
    events: list[dict[str, Any]] = json.loads(path.read_text())["events"]
    last = events[-1]
    if "workflowExecutionCompletedEventAttributes" in last:
        (payload,) = last["workflowExecutionCompletedEventAttributes"]["result"]["payloads"]
        outcome = json.loads(base64.b64decode(payload["data"]))
        return " ".join(filter(None, (outcome["state"], outcome["code"])))
    if "workflowExecutionCanceledEventAttributes" in last:
        return "Cancelled"
    failure = last["workflowExecutionFailedEventAttributes"]["failure"]
    while "applicationFailureInfo" not in failure:
        failure = failure["cause"]
    return f"Failed {failure['applicationFailureInfo']['type']}"


def test_every_scene_was_recorded_for_this_release() -> None:
    assert {path.stem for path in (HERE / VERSION).glob("*.json")} == set(SCENES), "run `make histories`"


def test_every_end_of_an_onboarding_is_among_them() -> None:
    ends = {end_of(path).split()[0] for path in (HERE / VERSION).glob("*.json")}
    assert ends == {state.value for state in State if state.is_final} | {"Failed", "Cancelled"}


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ended_as_it_should(name: str) -> None:
    assert end_of(HERE / VERSION / f"{name}.json") == SCENES[name].ends


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
