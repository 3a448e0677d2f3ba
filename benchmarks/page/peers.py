"""The section on memory of decoding against the length of a clip, beside the video VAEs of diffusers."""

from benchmarks.capacity.chart import line_chart
from benchmarks.page.sections import markdown_table, read_result

FRAMES = (9, 25, 49, 97)  # of the peers, which have one latent for the first frame
OWN_FRAMES = (8, 24, 48, 96)
OWN, OWN_TILED = "this, untiled", "this"


def peers_chart() -> str:
    """The peaks as a line chart."""
    peaks = read_result("peers")
    lines = {
        name: [(float(frames), peak / 2**30) for frames, peak in by_frames.items()] for name, by_frames in peaks.items()
    }
    ticks = [(float(frames), str(frames)) for frames in OWN_FRAMES]
    return line_chart(lines, "frames", "GiB while decoding", max_y=20, x_ticks=ticks)


def peers_section() -> str:
    """The table of peaks, and the picture."""
    peaks = read_result("peers")
    rows = [[name, *(f"{peak / 2**30:.2f}" for peak in by_frames.values())] for name, by_frames in peaks.items()]
    head = ["VAE", *(f"{own} or {peer} frames" for own, peer in zip(OWN_FRAMES, FRAMES, strict=True))]
    return _TEXT.format(table=markdown_table(head, rows))


_TEXT = """## Memory of decoding

Live GiB of activations and results while a clip of 832x480 is decoded, in bfloat16 without weights, counted on
the meta device: `python -m benchmarks.page --measure peers`. The other VAEs are those of diffusers 0.42 with
the settings of their classes, without tiling. Their number of frames is one more, since their first frame has a
latent of its own.

{table}

![Memory of decoding against the number of frames](images/vae-memory.svg)

* This VAE yields each slice when it is ready; the others keep all frames on the device and join them.
* Its published setting cuts images of more than 384 pixels into tiles (*this*).
"""
