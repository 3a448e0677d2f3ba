"""The warnings in records and estimates, each with a stable code. Codes are public: add, never rename."""

from easyanimate.warning_texts import IMAGE_TEXTS, LIBRARY_TEXTS, WarningReader, WarningText

UNKNOWN_WORDS = WarningText(
    "unknown_words", "prompt: {model} does not know {words}; GET /v1/models/{model} lists its words"
)
SECONDS_ROUNDED = WarningText(
    "seconds_rounded",
    "seconds: {seconds} became {frames} frames, which is {length} s at {fps} frames per second, the nearest that works",
)
VIDEO_SCALED = WarningText("video_scaled", "size: the video's {source} became {size}, the nearest size of {model}")
VIDEO_RESHAPED = WarningText("video_reshaped", f"{VIDEO_SCALED.template}; its shape changes")
VIDEO_STRETCHED = WarningText(
    "video_stretched",
    "{param}: {source} is stretched to {size}, another shape; leave out size, width and height to keep its shape",
)
START_IMAGE_RESIZED = WarningText(
    "start_image_resized",
    "{param}: {source} is stretched to {size}, another shape; resize_to_image chose this size",
)
START_IMAGE_STRETCHED = WarningText(
    "start_image_stretched",
    "{param}: {source} is stretched to {size}, another shape; send resize_to_image without a size to keep its shape",
)
END_IMAGE_STRETCHED = WarningText(
    "end_image_stretched",
    "{param}: {source} is stretched to {size}, another shape; send one of the video's shape; "
    "resize_to_image makes that the shape of the start image",
)
IMAGE_STRETCHED = WarningText(
    "image_stretched", "{param}: {source} is stretched to {size}, another shape; send one of the video's shape"
)
SHOT_IMAGE_STRETCHED = WarningText(
    "shot_image_stretched", "{param}: {source} is stretched to {size}, another shape; send one of the film's shape"
)
FRAMES_LEFT_OUT = WarningText(
    "frames_left_out",
    "fps: {param} has {rate} frames per second, {model} has {fps}; frames are left out",
)
FRAMES_REPEATED = WarningText(
    "frames_repeated",
    "fps: {param} has {rate} frames per second, {model} has {fps}; frames are repeated",
)
FIRST_FRAMES_USED = WarningText(
    "first_frames_used", "{param}: of {total} frames the first {frames} are used; send num_frames for fewer"
)
HDR_MAPPED = WarningText("hdr_mapped", "video: its HDR colours ({transfer}) are mapped to SDR")
DEINTERLACED = WarningText("deinterlaced", "video: it is interlaced; its frames are deinterlaced")
FRAMES_LOST = WarningText(
    "frames_lost",
    "video: {lost} of {total} frames cannot be decoded; the frames before them are shown longer",
)
NO_PREVIEWS = WarningText(
    "no_previews", "previews: this worker saves memory and cannot decode during denoising, so there are none"
)
DRAFT_NOT_REUSED = WarningText(
    "draft_not_reused",
    "draft: it was made by another model, device or version, so the video started at step 0 with the same seed",
)
MODEL_IDLE = WarningText("model_idle", "eta_s: no worker starts videos of {model} now: {reason}")

WARNING_TEXTS = (
    *LIBRARY_TEXTS,
    *(WarningText(text.code, f"{{param}}: it {text.template}") for text in IMAGE_TEXTS),
    UNKNOWN_WORDS, SECONDS_ROUNDED, VIDEO_RESHAPED, VIDEO_SCALED, VIDEO_STRETCHED, START_IMAGE_RESIZED,
    START_IMAGE_STRETCHED, END_IMAGE_STRETCHED, IMAGE_STRETCHED, SHOT_IMAGE_STRETCHED, FRAMES_LEFT_OUT,
    FRAMES_REPEATED, FIRST_FRAMES_USED, HDR_MAPPED, DEINTERLACED, FRAMES_LOST, NO_PREVIEWS, DRAFT_NOT_REUSED,
    MODEL_IDLE,
)  # fmt: skip
read_warning = WarningReader(WARNING_TEXTS).read
