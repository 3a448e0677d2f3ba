"""Contact sheets: a row of frames for each clip, with its caption and its result."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from easyanimate.evaluation.report.ledger import Ledger, TaskResult

ROWS_PER_SHEET = 25
LINE_HEIGHT = 16  # pixels
MIN_WIDTH = 640  # pixels, so that the text fits


def save_sheets(results: Sequence[TaskResult], ledger: Ledger, folder: Path) -> list[Path]:
    """Writes PART.png, PART-2.png, … with the results of one part; without groups wrong results come first."""
    grouped = any(result.group for result in results)
    rows = list(results) if grouped else sorted(results, key=lambda result: (not result.wrong, result.index))
    paths = []
    for page, start in enumerate(range(0, len(rows), ROWS_PER_SHEET), 1):
        path = folder / f"{rows[0].part}{'' if page == 1 else f'-{page}'}.png"
        sheet = _sheet([(ledger.strip(row.key), row) for row in rows[start : start + ROWS_PER_SHEET]])
        ledger.save_image(sheet, path)
        paths.append(path)
    return paths


def _sheet(rows: Sequence[tuple[Path, TaskResult]]) -> Image.Image:
    strips = []
    for path, _ in rows:
        with Image.open(path) as image:
            strips.append(image.convert("RGB"))
    width = max(MIN_WIDTH, *(strip.width for strip in strips))
    sheet = Image.new("RGB", (width, sum(strip.height + 2 * LINE_HEIGHT + 6 for strip in strips)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for strip, (_, result) in zip(strips, rows, strict=True):
        pen.text((4, top + 2), f"{result.key}: {result.caption}", fill="black")
        pen.text((4, top + 2 + LINE_HEIGHT), result_text(result), fill="firebrick" if result.wrong else "darkgreen")
        sheet.paste(strip, (0, top + 2 * LINE_HEIGHT + 4))
        top += strip.height + 2 * LINE_HEIGHT + 6
    return sheet


def result_text(result: TaskResult) -> str:
    """A line with the wrong attributes and the numbers."""
    wrong = [
        f"{name} {result.measured.get(name) or 'not visible'} (expected {result.expected[name]})"
        for name in result.wrong
    ]
    words = result.failed or ("WRONG: " + ", ".join(wrong) if wrong else "right")
    return "; ".join([words, *(f"{name} {value:.1f}" for name, value in result.numbers.items())])
