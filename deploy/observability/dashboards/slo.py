"""The dashboard of objectives and error budgets, from the recording rules."""

from deploy.observability.dashboards.boards import Board, Panel

BUDGET = "easyanimate:slo_budget:ratio"


def errors(window: str) -> str:
    """The share of bad events of each objective in a window."""
    return f"easyanimate:slo_errors:ratio_rate{window}"


BUDGETS = (
    Panel(
        "Budget that is left of three days",
        ((f"1 - {errors('3d')} / on (slo) {BUDGET}", "{{slo}}"),),
        "1 without any error, 0 when the share of errors equals the objective. Below 0 it is missed.",
        unit="percentunit",
        kind="stat",
        columns=12,
    ),
    Panel(
        "Objectives",
        ((f"1 - {BUDGET}", "{{slo}}"),),
        "The share of good events that is promised: answers of the API, videos, and starts within five minutes.",
        unit="percentunit",
        kind="stat",
        columns=12,
    ),
    Panel(
        "Firing alerts",
        (('ALERTS{alertname=~"EasyAnimate.*", alertstate="firing"}', ""),),
        "Each alert has an entry in the runbook.",
        kind="table",
        may_be_empty=True,
    ),
)
BURN = (
    *(
        Panel(
            f"Burn rate over {name}",
            ((f"{errors(window)} / on (slo) {BUDGET}", "{{slo}}"),),
            f"1 uses the budget exactly. {limit}",
        )
        for name, window, limit in (
            ("one hour", "1h", "An alert fires at 14.4."),
            ("six hours", "6h", "An alert fires at 6."),
            ("three days", "3d", "An alert fires at 1."),
        )
    ),
    Panel(
        "Share of errors in five minutes",
        ((errors("5m"), "{{slo}}"),),
        "Empty without events.",
        unit="percentunit",
        maximum=1,
    ),
)
SLO = Board(
    "easyanimate-slo",
    "EasyAnimate: objectives and error budgets",
    "How fast the error budgets of API, videos and waiting times are used.",
    {"Budgets": BUDGETS, "Burn rates": BURN},
)
