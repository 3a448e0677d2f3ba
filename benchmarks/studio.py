"""Measures the studio of a running service in Chromium: `python -m benchmarks.studio --url URL`.

The table has the bytes of the page's files, as the service sends them and before compression. It also has the first
contentful paint of first visits and of reloads.
"""

import argparse
import gzip
import os
import shutil
import statistics
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

WINDOW = {"width": 1280, "height": 800}
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
SIZES = """performance.getEntries()
    .filter(({ name, encodedBodySize }) => encodedBodySize && (name === location.href || name.includes('/studio/')))
    .map(({ encodedBodySize, decodedBodySize }) => [encodedBodySize, decodedBodySize])"""
FOLDER = Path(str(files("service") / "studio"))
COMPRESSED = (".js", ".css", ".html", ".svg", ".json", ".txt")


def first_paint_ms(page: Any) -> float:
    """Waits for the first contentful paint of the page."""
    return float(page.wait_for_function(FIRST_PAINT).json_value())


Visit = tuple[float, list[float], list[list[int]]]  # first paint, those of reloads, and the sizes of files


def visits(browser: Any, url: str, count: int, reloads: int) -> Iterator[Visit]:
    """Opens the page in new profiles."""
    for _ in range(count):
        context = browser.new_context(viewport=WINDOW, locale="en-GB")
        page = context.new_page()
        page.goto(url)
        paint = first_paint_ms(page)
        page.locator(".examples img").last.wait_for()
        page.wait_for_load_state("networkidle")
        sizes = page.evaluate(SIZES)
        again = []
        for _ in range(reloads):
            page.reload()
            again.append(first_paint_ms(page))
        yield paint, again, sizes
        context.close()


def all_files() -> tuple[int, int]:
    """The bytes of all files, compressed as the service does it, and as they are."""
    contents = [(path.suffix, path.read_bytes()) for path in FOLDER.rglob("*") if path.is_file()]
    sent = [len(gzip.compress(data, mtime=0)) if suffix in COMPRESSED else len(data) for suffix, data in contents]
    return sum(sent), sum(len(data) for _, data in contents)


def rows(browser: Any, url: str, count: int, reloads: int) -> Iterator[str]:
    """The lines of the table."""
    results = list(visits(browser, url, count, reloads))
    firsts, again = [paint for paint, _, _ in results], [paint for _, paints, _ in results for paint in paints]
    sent, plain = (sum(size[n] for size in results[0][2]) for n in (0, 1))
    for title, size in (("first visit in English, compressed as the service sends it", sent),
                        ("first visit in English, before compression", plain),
                        ("all files with both languages and licences, compressed", all_files()[0]),
                        ("all files, before compression", all_files()[1])):  # fmt: skip
        yield f"| {title} | {size / 1000:.1f} kB |"
    for title, times in (("first paint of a first visit", firsts), ("first paint after a reload", again)):
        least, median, most = min(times), statistics.median(times), max(times)
        yield f"| {title}, {len(times)} times | {least:.0f} ms at best, {median:.0f} ms median, {most:.0f} ms at most |"


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studio", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000/", help="a service without API keys")
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--reloads", type=int, default=2, help="after each visit")
    arguments = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        lines = list(rows(browser, arguments.url, arguments.visits, arguments.reloads))
        print(f"Chromium {browser.version}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
        browser.close()
    print("\n".join(["| value | result |", "|---|---|", *lines]))


if __name__ == "__main__":
    main()
