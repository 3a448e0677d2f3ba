"""The error of settings that cannot be used. Commands name it without the libraries that settings need."""

from collections.abc import Sequence


class InvalidSettings(Exception):
    """The settings cannot be used. `faults` has a sentence for each fault, which names the variable."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
