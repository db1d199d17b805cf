"""The sandbox of the workflows, without the question that costs as much as the workflow.

Before every payload, the SDK (1.35) asks the workflow inside the sandbox in which context it will be converted, three times
on the way in and three on the way out; each question enters the sandbox anew. Ours are converted alike in every context, so
the answer is known outside. Measured: docs/scaling.md.
"""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter, StorageDriverStoreContext, WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

_ANY = WorkflowSerializationContext(namespace="any", workflow_id="any")


def require_context_free(converter: DataConverter) -> None:
    """Raises ``ValueError`` for a converter that converts differently from one workflow or activity to the next."""
    if converter.with_context(_ANY) is not converter or converter.external_storage is not None:
        raise ValueError(
            "This data converter looks at the context, which ContextFreeSandbox never tells. Use the SDK's sandbox."
        )


class ContextFreeSandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, for workers whose data converter ``require_context_free`` accepts."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _ContextFree(super().create_instance(det))


class _ContextFree(WorkflowInstance):
    """A sandboxed workflow, asked for nothing but to act."""

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: object) -> None:  # noqa: ARG002
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        return StorageDriverStoreContext()

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
