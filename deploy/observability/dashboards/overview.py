"""The dashboard of the whole installation: queue, videos and requests."""

from deploy.observability.dashboards.boards import Board, Panel, Variable

M = '{model=~"$model"}'
DONE = '{state="completed", model=~"$model"}'
RATE = "[$__rate_interval]"


def quantile(share: float, metric: str, labels: str, matcher: str = M) -> str:
    """A quantile of a histogram in Redis, which each front end reports: `labels` are all of its labels."""
    inner = f"max by ({', '.join(filter(None, ('le', labels)))}) (rate({metric}_bucket{matcher}{RATE}))"
    return f"histogram_quantile({share}, sum by (le) ({inner}))"


NOW = (
    Panel(
        "Waiting",
        ((f"sum(max by (model) (easyanimate_queue_depth{M}))", ""),),
        "Jobs that wait. All front ends report the same number, so it is a maximum over them.",
        kind="stat",
    ),
    Panel(
        "Running",
        ((f"sum(max by (model) (easyanimate_jobs_running{M}))", ""),),
        "Jobs that a worker runs.",
        kind="stat",
    ),
    Panel(
        "Workers",
        ((f"max by (model) (easyanimate_workers{M})", "{{model}}"),),
        "Live workers of each model. A worker of several models counts for each.",
        kind="stat",
    ),
    Panel(
        "Wait of one more job",
        ((f"max by (model) (easyanimate_queue_expected_wait_seconds{M})", "{{model}}"),),
        "Expected from the queue, the workers and the time of the latest videos. Missing while it is unknown.",
        unit="s",
        kind="stat",
    ),
    Panel(
        "Videos in this period",
        (
            (
                f"sum(max by (model) (increase(easyanimate_jobs_total{DONE}[$__range])))",
                "",
            ),
        ),
        "Completed videos in the period of the dashboard.",
        kind="stat",
    ),
    Panel(
        "Redis accepts writes",
        (("min(easyanimate_redis_writable)", ""),),
        "1 if each front end can write to Redis. With 0 no job is accepted.",
        kind="stat",
    ),
)
QUEUE = (
    Panel(
        "Waiting jobs by priority",
        ((f"sum by (priority) (max by (model, priority) (easyanimate_queue_waiting{M}))", "{{priority}}"),),
        "Jobs that wait, by the priority of their request.",
        kind="stack",
    ),
    Panel(
        "Running jobs and workers",
        (
            (f"max by (model) (easyanimate_jobs_running{M})", "{{model}} running"),
            (f"max by (model) (easyanimate_workers{M})", "{{model}} workers"),
        ),
        "With waiting jobs, both should be equal. If fewer run, some workers take no jobs.",
    ),
    Panel(
        "Wait until the first attempt",
        tuple(
            (quantile(share, "easyanimate_queue_wait_seconds", "model, priority"), f"p{share * 100:g}")
            for share in (0.5, 0.9, 0.99)
        ),
        "Of jobs that started in the interval.",
        unit="s",
    ),
    Panel(
        "Wait by priority, p90",
        (
            (
                "histogram_quantile(0.9, sum by (le, priority) (max by (le, model, priority) "
                f"(rate(easyanimate_queue_wait_seconds_bucket{M}{RATE}))))",
                "{{priority}}",
            ),
        ),
        "Of jobs that started in the interval.",
        unit="s",
    ),
    Panel(
        "Age of the next job",
        ((f"max by (model) (easyanimate_queue_head_age_seconds{M})", "{{model}}"),),
        "How long the job that is next has waited.",
        unit="s",
        columns=8,
    ),
    Panel(
        "Workers that take no jobs",
        ((f"sum by (reason) (max by (model, reason) (easyanimate_workers_idle{M}))", "{{reason}}"),),
        "Live workers that take no jobs, by reason: a full disk, a drain, a broken model, a suspension.",
        kind="stack",
        may_be_empty=True,
        columns=8,
    ),
    Panel(
        "Preemptions per hour",
        (
            (
                f"3600 * sum by (priority) (max by (model, priority) (rate(easyanimate_preemptions_total{M}{RATE})))",
                "{{priority}}",
            ),
        ),
        "Running videos that stopped for a more urgent one, by their own priority. Each waits once more.",
        kind="stack",
        columns=8,
    ),
)
VIDEOS = (
    Panel(
        "Ended videos per minute",
        ((f"60 * sum by (state) (max by (model, state, code) (rate(easyanimate_jobs_total{M}{RATE})))", "{{state}}"),),
        "By final state.",
        kind="stack",
    ),
    Panel(
        "Failed videos per hour",
        (
            (
                "3600 * sum by (code) (max by (model, code) "
                f'(rate(easyanimate_jobs_total{{state="failed", model=~"$model"}}{RATE}))) > 0',
                "{{code}}",
            ),
        ),
        "By error code. The reference of errors says who can resolve each.",
        kind="stack",
        may_be_empty=True,
    ),
    Panel(
        "Time from the submit to the video",
        tuple((quantile(share, "easyanimate_job_seconds", "model"), f"p{share * 100:g}") for share in (0.5, 0.9, 0.99)),
        "With the wait in the queue and all attempts.",
        unit="s",
    ),
    Panel(
        "Mean time of each phase",
        (
            (
                f"sum by (phase) (max by (model, phase) (rate(easyanimate_phase_seconds_total{M}{RATE}))) / "
                f"sum by (phase) (max by (model, phase) (rate(easyanimate_phases_total{M}{RATE})))",
                "{{phase}}",
            ),
        ),
        "Of completed videos.",
        unit="s",
        kind="stack",
    ),
    Panel(
        "Frames per second",
        ((f"max by (model) (rate(easyanimate_frames_total{M}{RATE}))", "{{model}}"),),
        "Frames of completed videos.",
    ),
    Panel(
        "Attempts per hour",
        (
            (
                f"3600 * sum by (outcome) (max by (model, outcome) (rate(easyanimate_attempts_total{M}{RATE})))",
                "{{outcome}}",
            ),
        ),
        "How attempts ended. `lost` and `retried` cost time; `given_back` is a drain, `preempted` made room.",
        kind="stack",
    ),
)
REQUESTS = (
    Panel(
        "Requests per second",
        ((f"sum by (status) (rate(easyanimate_http_requests_total{RATE}))", "{{status}}"),),
        "Of all front ends together, by status.",
        unit="reqps",
        kind="stack",
    ),
    Panel(
        "Slow requests, p99",
        (
            (
                "histogram_quantile(0.99, sum by (le, method, route) "
                f'(rate(easyanimate_http_request_seconds_bucket{{route=~"/v1/.*"}}{RATE})))',
                "{{method}} {{route}}",
            ),
        ),
        "Seconds until the response starts. Requests with `Prefer: wait` are left out.",
        unit="s",
    ),
    Panel(
        "Open streams and subscriptions",
        (("sum by (kind) (easyanimate_http_waiting)", "{{kind}}"),),
        "Event streams, and requests and streams that wait for changes of a job.",
    ),
    Panel(
        "Processes by version",
        (("count by (process, version) (easyanimate_build_info)", "{{process}} {{version}}"),),
        "During an upgrade there are two versions.",
        kind="stack",
    ),
)
OVERVIEW = Board(
    "easyanimate-overview",
    "EasyAnimate: overview",
    "Queue, videos and requests of the whole installation.",
    {"Now": NOW, "Queue": QUEUE, "Videos": VIDEOS, "Requests": REQUESTS},
    (Variable("model", "easyanimate_workers", "model"),),
)
