"""Writes the dashboards as JSON for Grafana: `make dashboards`. A test compares the files with the tables."""

from pathlib import Path

from deploy.observability.dashboards.boards import Board, to_json
from deploy.observability.dashboards.job import JOB
from deploy.observability.dashboards.overview import OVERVIEW
from deploy.observability.dashboards.slo import SLO
from deploy.observability.dashboards.webhooks import WEBHOOKS
from deploy.observability.dashboards.workers import WORKERS

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
BOARDS: dict[str, Board] = {
    "overview.json": OVERVIEW,
    "job.json": JOB,
    "workers.json": WORKERS,
    "webhooks.json": WEBHOOKS,
    "slo.json": SLO,
}


def main() -> None:
    """Writes all dashboards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (FOLDER / name).write_text(to_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
