"""The files of a run: the check of the video, its segments, thumbnails and previews.

`worker.generation` imports this package. It may import `worker.protocol`, `jobs.model` and `easyanimate`.
"""
