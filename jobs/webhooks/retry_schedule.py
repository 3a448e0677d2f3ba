"""When a webhook is tried again: ten tries over three days, as the Standard Webhooks specification suggests."""

# Seconds between tries: the first at once, the next after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


def retry_wait_s(place: int, at_least_s: float) -> float | None:
    """The seconds until the next try, or None after the tenth. `at_least_s` is the receiver's Retry-After.

    `place` is the number of tries before the one that has just failed.
    """
    return None if place >= len(SCHEDULE_S) else max(SCHEDULE_S[place], at_least_s)
