"""The command line of one training process, or of the launcher of several."""

import argparse
import json
from pathlib import Path
from typing import Any

KINDS = ("lora", "transformer", "vae")


def main(arguments: list[str] | None = None) -> int:
    """Runs a training. Returns 0 when it is finished, and 2 with a message on stderr when it fails."""
    options = _parse(arguments)
    if options.processes > 1:
        from easyanimate.training.run.concurrent import launch_processes

        changes = [part for change in options.set for part in ("--set", change)]
        form = ["--json"] if options.json else []
        return launch_processes(options.processes, [options.kind, str(options.file), *changes, *form])
    from easyanimate.training.run.single_process import run_single_process

    overrides = dict(_setting(text) for text in options.set)
    return run_single_process(options.kind, options.file, overrides, as_json=options.json)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m easyanimate.training")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("file", type=Path, help="a .toml or .yaml file with settings")
    parser.add_argument("--processes", type=_count, default=1, metavar="N", help="number of processes on this machine")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="replaces the value of a setting"
    )
    parser.add_argument("--json", action="store_true", help="prints the result as one JSON object")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
