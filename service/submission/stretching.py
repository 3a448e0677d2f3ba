"""Warnings about images that are stretched, because the video has another shape."""

from easyanimate.geometry import VISIBLE_SHAPE_CHANGE, shape_change
from service.inputs.resolver import IMAGE_FILES, InputImages
from service.schemas.create import CreateVideo


def size_label(size: tuple[int, int]) -> str:
    """Width and height as in requests: 96x64."""
    return f"{size[0]}x{size[1]}"


def stretched_images(body: CreateVideo, images: InputImages, size: tuple[int, int]) -> tuple[str, ...]:
    """A warning for each image of another shape than `size`, the width and height of the video in pixels."""
    warnings = []
    for name, file in IMAGE_FILES.items():
        if file not in images.decoded or getattr(body, name) is None:
            continue
        image_size = images.size(file)
        if shape_change(image_size, size) > VISIBLE_SHAPE_CHANGE:
            stretched = f"{size_label(image_size)} is stretched to {size_label(size)}, another shape"
            warnings.append(f"{name}: {stretched}; {_advice(body, file)}")
    return tuple(warnings)


def _advice(body: CreateVideo, file: str) -> str:
    if body.resize_to_image and file == "image.png":
        return "resize_to_image chose this size"
    if file == "image.png":
        return "send resize_to_image without a size to keep its shape"
    if file == "last_image.png" and body.video is None:
        return "send one of the video's shape; resize_to_image makes that the shape of the start image"
    return "send one of the video's shape"
