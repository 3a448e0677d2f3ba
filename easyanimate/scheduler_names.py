"""The names of the schedulers, without torch; `easyanimate.pipeline.schedulers.schedulers` builds them."""

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
