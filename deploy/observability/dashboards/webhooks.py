"""The dashboard of webhooks and keepers."""

from deploy.observability.dashboards.boards import Board, Panel
from deploy.observability.dashboards.overview import RATE, quantile

DELAY, TRIES = "easyanimate_webhook_delay_seconds", "easyanimate_webhook_tries"
TRY_SECONDS = "easyanimate_keeper_webhook_seconds"

DELIVERIES = (
    Panel(
        "Ended deliveries per minute",
        ((f"60 * max by (status) (rate(easyanimate_webhooks_total{RATE}))", "{{status}}"),),
        "`exhausted` after ten tries, `refused` by 410 or without a receiver, `dropped` is old progress.",
        kind="stack",
    ),
    Panel(
        "Tries per minute",
        ((f"60 * max by (outcome) (rate(easyanimate_webhook_deliveries_total{RATE}))", "{{outcome}}"),),
        "A failed try is followed by up to nine more.",
        kind="stack",
    ),
    Panel(
        "Time from an event to its delivery",
        tuple((quantile(share, DELAY, "", ""), f"p{share * 100:g}") for share in (0.5, 0.9, 0.99)),
        "With all tries. Deliveries that their owner repeated are left out.",
        unit="s",
    ),
    Panel(
        "Mean tries of a delivery",
        ((f"max(rate({TRIES}_sum{RATE})) / max(rate({TRIES}_count{RATE}))", "tries"),),
        "1 if each receiver accepts at once.",
    ),
    Panel(
        "Receivers with pending deliveries",
        (("max(easyanimate_webhook_receivers_pending)", "receivers"),),
        "Each receiver has a queue of its own.",
    ),
    Panel(
        "Late deliveries",
        (("max(easyanimate_webhook_overdue_seconds)", "the next delivery"),),
        "Seconds since the next delivery was due. It rises without a keeper.",
        unit="s",
    ),
    Panel(
        "Time of a try, p90",
        (
            (
                f"histogram_quantile(0.9, sum by (le, outcome) (rate({TRY_SECONDS}_bucket{RATE})))",
                "{{outcome}}",
            ),
        ),
        "From the connection to the answer of the receiver, over all keepers.",
        unit="s",
    ),
)
KEEPERS = (
    Panel(
        "Age of the latest sweep",
        (("time() - easyanimate_keeper_last_sweep_timestamp_seconds", "{{instance}} {{task}}"),),
        "`recovery` runs each second, `retention`, `uploads` and `orphans` each minute.",
        unit="s",
    ),
    Panel(
        "Failed and postponed sweeps per minute",
        ((f"60 * sum by (task) (rate(easyanimate_keeper_sweep_failures_total{RATE}))", "{{task}}"),),
        "`sweep.failed` and `sweep.postponed` in the log of the keeper have the reasons.",
    ),
    Panel(
        "Recovered jobs per hour",
        ((f"3600 * sum(rate(easyanimate_keeper_recovered_jobs_total{RATE}))", "recovered"),),
        "Jobs of workers that were lost.",
    ),
    Panel(
        "Jobs that nobody recovers",
        (("max(easyanimate_leases_expired)", "expired leases"),),
        "Running jobs whose worker is lost. More than 0 for longer than a lease means that no keeper works.",
    ),
    Panel(
        "Storage belongs to this installation",
        (("min by (instance) (easyanimate_keeper_storage_owned)", "{{instance}}"),),
        "With 0 the keeper deletes nothing.",
        maximum=1,
    ),
    Panel(
        "Time of sweeps, p90",
        (
            (
                f"histogram_quantile(0.9, sum by (le, task) (rate(easyanimate_keeper_sweep_seconds_bucket{RATE})))",
                "{{task}}",
            ),
        ),
        "A sweep of the storage lists it.",
        unit="s",
    ),
)
WEBHOOKS = Board(
    "easyanimate-webhooks",
    "EasyAnimate: webhooks and keepers",
    "Deliveries of webhooks, and the sweeps of keepers.",
    {"Deliveries": DELIVERIES, "Keepers": KEEPERS},
)
