"""The names of the samplers, without torch: what they are is in `easyanimate.pipeline.schedulers.schedulers`."""

SCHEDULERS = (
    "euler",
    "euler_ancestral",
    "dpmpp_2m",
    "pndm",
    "ddim",
    "ddim_clipped",
    "unipc",
    "heun",
    "lcm",
)
