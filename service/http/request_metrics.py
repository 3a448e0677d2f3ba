"""What is counted of the requests of one front end process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RequestMetrics:
    """Counts of answers, and how long they took; in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("easyanimate_http_requests", "Answers.", labels, registry=self.registry)
        self.seconds = Histogram(
            "easyanimate_http_request_seconds",
            "Until the answer began; not of those who asked to wait.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        about = "Callers who wait for a change, and listeners of events."
        self.waiting = Gauge("easyanimate_http_waiting", about, ("kind",), registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an answer; `seconds` is None if its time says nothing."""
        self.requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self.seconds.labels(method, route).observe(seconds)
