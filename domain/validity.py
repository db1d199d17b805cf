"""What is sold or applied for a time only: from a day to a day, both included, in UTC."""

from datetime import date

from pydantic import model_validator

from domain.base import Value
from domain.calling import Day


class Validity(Value):
    """Valid from the first day to the last, both included, in UTC. An unset end does not end."""

    valid_from: Day | None = None
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "Validity":
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("ends before it begins; correct valid_from or valid_until")
        return self

    def valid_on(self, day: date | None) -> bool:
        """Whether it is valid that day; with no day asked about, it is."""
        if day is None:
            return True
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day <= self.valid_until)
