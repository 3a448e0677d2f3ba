"""Contact sheets: a row of frames for each clip, with its caption and the verdict."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from easyanimate.evaluation.report.ledger import Ledger, TaskResult

ROWS = 25  # on a sheet
LINE = 16  # pixels of height
NARROWEST = 640  # so that the words fit


def save_sheets(results: Sequence[TaskResult], ledger: Ledger, folder: Path) -> list[Path]:
    """`folder`/PART.png, PART-2.png, … of the results of one part; where all is of one kind, wrong ones come first."""
    grouped = any(result.group for result in results)
    rows = list(results) if grouped else sorted(results, key=lambda result: (not result.wrong, result.index))
    paths = []
    for page, start in enumerate(range(0, len(rows), ROWS), 1):
        path = folder / f"{rows[0].part}{'' if page == 1 else f'-{page}'}.png"
        _sheet([(ledger.strip(row.key), row) for row in rows[start : start + ROWS]]).save(path)
        paths.append(path)
    return paths


def _sheet(rows: Sequence[tuple[Path, TaskResult]]) -> Image.Image:
    strips = []
    for path, _ in rows:
        with Image.open(path) as picture:
            strips.append(picture.convert("RGB"))
    width = max(NARROWEST, *(strip.width for strip in strips))
    sheet = Image.new("RGB", (width, sum(strip.height + 2 * LINE + 6 for strip in strips)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for strip, (_, result) in zip(strips, rows, strict=True):
        pen.text((4, top + 2), f"{result.key}: {result.caption}", fill="black")
        pen.text((4, top + 2 + LINE), verdict(result), fill="firebrick" if result.wrong else "darkgreen")
        sheet.paste(strip, (0, top + 2 * LINE + 4))
        top += strip.height + 2 * LINE + 6
    return sheet


def verdict(result: TaskResult) -> str:
    """One line on what is right and wrong, and the numbers."""
    wrong = [f"{name} {result.seen.get(name) or 'not seen'} (asked {result.asked[name]})" for name in result.wrong]
    words = result.failed or ("WRONG: " + ", ".join(wrong) if wrong else "right")
    return "; ".join([words, *(f"{name} {value:.1f}" for name, value in result.numbers.items())])
