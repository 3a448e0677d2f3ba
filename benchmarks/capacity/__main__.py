"""`python -m benchmarks.capacity`: runs the simulations; writes tables and pictures into docs/operations/scaling.md."""

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

from benchmarks.capacity.chart import line_chart
from benchmarks.capacity.erlang import mean_wait_s, workers_for
from benchmarks.capacity.simulation import Plan, SimulatedJob, Simulation
from jobs.model.states import Priority

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "scaling.md"
DAY_S, MILLION = 86_400, 10**6


def percentile(jobs: Iterable[SimulatedJob], share: float) -> float:
    """The wait in seconds within which this share of the jobs began."""
    waits = sorted(job.waited_s or 0.0 for job in jobs)
    return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else 0.0


def poisson(rate: float) -> Callable[[Random], float]:
    """Times between arrivals of a Poisson process with `rate` arrivals in a second."""
    return lambda random: random.expovariate(rate)


class Scenarios:
    """The simulations for videos of `run_s` seconds; lengths vary by half of it to both sides."""

    def __init__(self, run_s: float, jobs: int, seed: int) -> None:
        self.run_s, self.jobs, self.seed = run_s, jobs, seed

    def work(self, random: Random) -> float:
        """The seconds of one video."""
        return random.uniform(0.5, 1.5) * self.run_s

    def plan(self, workers: int, rate: float, **options: object) -> Plan:
        """A plan of a simulation with so many workers and `rate` videos in a second."""
        values = {"step_s": self.run_s / 30, "seed": self.seed} | options
        return Plan(workers, self.work, poisson(rate), self.jobs, **values)  # type: ignore[arg-type]

    def tables(self) -> dict[str, str]:
        """All generated parts of the page."""
        return {
            "utilisation": self.utilisation(),
            "fairness": self.fairness(),
            "spot": self.spot(),
            "autoscaler": self.autoscaler(),
            "million": self.million(),
        }

    def utilisation(self) -> str:
        """The mean wait by the number of workers and their utilisation, by the formula of Erlang."""
        shares = (0.5, 0.7, 0.8, 0.9, 0.95)
        rows = [
            [f"{workers:,}", *(f"{mean_wait_s(workers, workers * share, 1):.2g}" for share in shares)]
            for workers in (1, 3, 10, 30, 100, 300, 1000)
        ]
        return table(["workers", *(f"{share:.0%}" for share in shares)], rows)

    def fairness(self) -> str:
        """The waits of a caller with most of the videos and of callers with few, by priority."""

        def caller(random: Random) -> str:
            return "heavy" if random.random() < 0.7 else f"light-{random.randrange(20)}"

        def priority(random: Random) -> Priority:
            return random.choices(list(Priority), (1, 8, 1))[0]

        rate = 1.2 * 100 / self.run_s
        done = Simulation(self.plan(100, rate, caller=caller, priority=priority)).run().finished
        rows = []
        for name in ("heavy", "light"):
            for level in Priority:
                jobs = [job for job in done if job.caller.startswith(name) and job.priority is level]
                rows.append([name, level, f"{len(jobs):,}", *self.waits(jobs)])
        return table(["caller", "priority", "videos", "wait p50", "wait p95"], rows)

    def spot(self) -> str:
        """The work lost and the waits by the rate at which workers are interrupted."""
        rows = []
        for hourly in (0.0, 0.2, 1.0, 5.0):
            plan = self.plan(100, 0.8 * 100 / self.run_s, interruptions_per_hour=hourly)
            figures = Simulation(plan).run()
            share = sum(figures.lost_s) / figures.worker_s
            rows.append([f"{hourly:g}", f"{figures.interruptions:,}", f"{share:.2%}", *self.waits(figures.finished)])
        head = ["interruptions per worker and hour", "interruptions", "work lost", "wait p50", "wait p95"]
        return table(head, rows)

    def autoscaler(self) -> str:
        """The waits by the seconds of a cold start and the least number of workers."""
        rows = []
        for cold_s in (60, 300, 600):
            for least in (0, 20, 40):
                plan = self.plan(100, 0.5 * 100 / self.run_s, min_workers=least, cold_start_s=cold_s)
                rows.append([cold_s, least, *self.waits(Simulation(plan).run().finished)])
        return table(["cold start, s", "least workers", "wait p50", "wait p95"], rows)

    def million(self) -> str:
        """The waits by the number of workers for a million videos in a day."""
        rate, rows = MILLION / DAY_S, []
        load = rate * self.run_s
        for workers in [int(load * factor) for factor in (1.01, 1.05, 1.15, 1.4)]:
            plan = replace(self.plan(workers, rate), jobs=10 * self.jobs)
            jobs = Simulation(plan).run().finished
            rows.append([f"{workers:,}", f"{load / workers:.0%}", *self.waits(jobs)])
        rows.append([f"{workers_for(load, self.run_s, 1):,}", "", "mean below 1 s by Erlang C", ""])
        return table(["workers", "utilisation", "wait p50", "wait p95"], rows)

    def waits(self, jobs: Iterable[SimulatedJob]) -> list[str]:
        """The wait of half of the jobs and of 95 % of them."""
        jobs = list(jobs)
        return [f"{percentile(jobs, share):.0f} s" for share in (0.5, 0.95)]


def table(head: list[str], rows: list[list[object]] | list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(page: Path, parts: dict[str, str]) -> None:
    """Replaces the generated parts of the page. Raises ValueError for a part without markers."""
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(\n<!-- {name}:end -->)"
        text, count = re.subn(pattern, lambda found, part=content: found[1] + part + found[2], text, flags=re.S)
        if count != 1:
            raise ValueError(f"{page.name} has no markers of {name}")
    page.write_text(text, encoding="utf-8")


def chart() -> str:
    """The mean wait in videos, by utilisation, for several numbers of workers."""
    shares = [share / 100 for share in range(40, 99)]
    lines = {
        f"{workers:,} worker{'s' * (workers > 1)}": [
            (share, mean_wait_s(workers, workers * share, 1)) for share in shares
        ]
        for workers in (1, 3, 10, 100)
    }
    return line_chart(lines, "utilisation", "mean wait, in times of a video", max_y=4)


def main() -> None:
    """Runs all simulations and writes their tables and the chart to the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--run-s", type=float, default=60.0, help="seconds of a video; measure yours")
    parser.add_argument("--jobs", type=int, default=10_000, help="videos in each simulation")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    write(PAGE, Scenarios(options.run_s, options.jobs, options.seed).tables())
    PAGE.with_name("waiting.svg").write_text(chart(), encoding="utf-8")


if __name__ == "__main__":
    main()
