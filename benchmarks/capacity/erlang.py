"""Waiting times of M/M/c: Poisson arrivals, exponential service times, c workers (Erlang C)."""


def wait_probability(workers: int, load: float) -> float:
    """The probability that a job waits; `load` is the offered load in workers. Raises ValueError if it is too high."""
    if load >= workers:
        raise ValueError(f"{workers} workers cannot serve a load of {load:g}")
    blocked = 1.0  # Erlang B by its recursion, which does not overflow
    for number in range(1, workers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / workers * (1 - blocked))


def mean_wait_s(workers: int, load: float, service_s: float) -> float:
    """The mean wait of all jobs in seconds."""
    return wait_probability(workers, load) * service_s / (workers - load)


def workers_for(load: float, service_s: float, max_wait_s: float) -> int:
    """The least number of workers with at most this mean wait."""
    workers = int(load) + 1
    while mean_wait_s(workers, load, service_s) > max_wait_s:
        workers += 1
    return workers
