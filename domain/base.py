"""The one base of every value that crosses a boundary."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value, equal by content.

    Unknown fields are ignored, so that a worker rolled back to yesterday's code still reads today's histories. A field
    added later therefore needs a default, so that today's worker reads yesterday's. The doors of the product (API, CLI)
    use strict subclasses instead.
    """

    # What did not fit is left out of error messages: they end in logs and histories.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
