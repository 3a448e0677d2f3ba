"""Counts and durations as commands print them."""

MINUTE_S, HOUR_S = 60, 3600
MAX_IN_S, MAX_IN_MIN = 2 * MINUTE_S, 2 * HOUR_S


def plural(count: int, noun: str) -> str:
    """The count with its noun: `1 frame`, `8 frames`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds in the unit that is easy to read: `12.3 s`, `12 min`, `3.4 h`."""
    if seconds < MAX_IN_S:
        return f"{seconds:.3g} s"
    if seconds < MAX_IN_MIN:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h"
