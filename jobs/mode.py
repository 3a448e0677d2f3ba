"""The ways in which a model makes something, by what it is given."""

from enum import StrEnum


class Mode(StrEnum):
    """What a request asks for; which one it is follows from its inputs."""

    TEXT_TO_VIDEO = "text_to_video"
    IMAGE_TO_VIDEO = "image_to_video"
    TEXT_TO_IMAGE = "text_to_image"
    VIDEO_TO_VIDEO = "video_to_video"
    EXTENSION = "extension"
