"""Prometheus metrics of the requests of one process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from jobs.version import VERSION

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RequestMetrics:
    """Counts and durations of responses, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        build = Info("easyanimate_build", "The version of this process.", registry=self.registry)
        build.info({"process": "api", "version": VERSION})
        labels = ("method", "route", "status")
        self.requests = Counter("easyanimate_http_requests", "HTTP responses.", labels, registry=self.registry)
        self.seconds = Histogram(
            "easyanimate_http_request_seconds",
            "Seconds until the response starts, without requests with Prefer: wait.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        description = "Subscriptions to changes of jobs (news), and open event streams (events)."
        self.waiting = Gauge("easyanimate_http_waiting", description, ("kind",), registry=self.registry)
        for kind in ("news", "events"):
            self.waiting.labels(kind)

    def count(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Counts a response; `seconds` is None if its duration is not observed."""
        self.requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self.seconds.labels(method, route).observe(seconds)
