"""A clock for tests of time limits."""


class Clock:
    """A monotonic clock in seconds that the test sets; it takes the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The present time, in the place of `time.monotonic`."""
        return self.now
