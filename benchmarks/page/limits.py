"""The work of each part of a clip at the published size, and the times that a GPU cannot fall below."""

from typing import Any

from benchmarks.page.sections import markdown_table, read_result

# For each GPU the operations of bfloat16 products per second, and the bytes of memory per second.
GPUS = {"H200": (790e12, 4.3e12), "A100 80 GB": (312e12, 2.0e12), "A10": (125e12, 0.6e12)}
EMPTY = "not measured"
PARTS = ("step", "encode a slice", "decode three slices")


def limits_section() -> str:
    """The table of limits, with the figures of a GPU where a run is stored."""
    limits, measured = read_result("limits"), read_result("gpu")
    rows = [_row(clip, part, limits[clip][part], measured) for clip in limits for part in PARTS]
    on_gpus = (f"limit on {name}, s" for name in GPUS)
    head = ("clip", "part", "TFLOP", "GB moved", *on_gpus, "first release, s", "this, s")
    device = f"Measured on {measured['device']}." if measured["records"] else "No run on a GPU is stored yet."
    return _TEXT.format(device=device, table=markdown_table(head, rows))


def _row(clip: str, part: str, work: dict[str, float], measured: dict[str, Any]) -> list[str]:
    operations, moved = work["operations"], work["moved_bytes"]
    limits = [f"{max(operations / products, moved / copies):.3g}" for products, copies in GPUS.values()]
    figures = [_figure(measured, part, clip, way) for way in ("first release", "this")]
    return [clip, part, f"{operations / 1e12:.1f}", f"{moved / 1e9:.0f}", *limits, *figures]


def _figure(measured: dict[str, Any], part: str, clip: str, way: str) -> str:
    shapes = (clip, clip.rpartition("x")[0])
    for record in measured["records"]:
        if record["part"] == part and record["shape"] in shapes and record["way"] == way:
            return EMPTY if record["seconds"] is None else f"{record['seconds']:.3g}"
    return "none" if part != "step" and way != "this" else EMPTY


_TEXT = """## On a GPU

    make bench-gpu

measures the published size with random weights in less than ten minutes, without a network: one block, one
step, slices of the VAE in two memory layouts, whole clips, and each kernel of attention. The first release of
V3 and this project run in turns. It writes `benchmark-gpu.json` and prints a table. {device} Cells without a
figure say so.

The *limit* of a part is the larger of two times: its operations at the rate of products, and the bytes that its
operations move at the rate of the memory. The rates are H200 790 TFLOP/s and 4.3 TB/s, A100 312 and 2.0, A10
125 and 0.6: largest products and copies that are published as measured. Both counts are those of this project,
for one row, after the first step. A kernel that fuses operations moves fewer bytes.

{table}
"""
