"""The start image of the demo."""

from pathlib import Path

SIZE = 128  # pixels


def draw_start_image(path: Path) -> Path:
    """Draws a yellow disc on a dark background, as a PNG at `path`."""
    from PIL import Image, ImageDraw

    scale = 4  # drawn larger and reduced, for smooth edges
    image = Image.new("RGB", (SIZE * scale, SIZE * scale), (8, 8, 12))
    centre, radius = (SIZE * scale // 2, SIZE * scale * 5 // 8), SIZE * scale * 3 // 16
    box = [(centre[0] - radius, centre[1] - radius), (centre[0] + radius, centre[1] + radius)]
    ImageDraw.Draw(image).ellipse(box, fill=(240, 210, 40))
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path)
    return path
