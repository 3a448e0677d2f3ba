"""The section on the quality "fast" of the small model, beside its exact clips."""

from benchmarks.page.sections import markdown_table, read_result


def quality_section() -> str:
    """The table of fast clips; without a stored run it says so."""
    result = read_result("quality")
    if not result:
        return _TITLE + _EMPTY
    rows = [
        [
            name,
            "" if row["psnr"] is None else f"{row['psnr']:.1f} ({row['worst_psnr']:.1f})",
            "" if row["ssim"] is None else f"{row['ssim']:.3f} ({row['worst_ssim']:.3f})",
            f"{row['captions']:.0%}",
            f"{row['seconds_ratio']:.2f}",
        ]
        for name, row in result["ways"].items()
    ]
    head = (
        "clips",
        "PSNR in dB, mean (worst)",
        "SSIM, mean (worst)",
        "attributes as in the caption",
        "CPU time of denoising",
    )
    return _TITLE + _TEXT.format(table=markdown_table(head, rows), **result)


_TITLE = """## Fast quality

"""
_EMPTY = """`python -m benchmarks.page --measure quality` compares fast clips of the small model with exact ones.
No run is stored yet: PSNR, SSIM, attributes as in the caption and CPU time are not measured.
"""
_TEXT = """`quality: "fast"` of the small model against exact clips with the same seeds: {captions} held-out captions,
{width}x{height}, {num_frames} frames, {steps} steps, guidance {guidance_scale:g}. CPU time is that of the
transformer's calls, one thread, against the exact clips. `python -m benchmarks.page --measure quality`, commit
{commit}, {date}.

{table}

* The techniques are lossy, and off by default. [Correctness](explanation/correctness.md) has the classes of all
  techniques.
* Int8 and fp8 products by torchao have no row. The package is no dependency, and was not measured
  ([decision 84](decisions/0084-fast-quality-and-two-devices.md)).
* These are figures of the small model. Nothing is known about the published weights.
"""
