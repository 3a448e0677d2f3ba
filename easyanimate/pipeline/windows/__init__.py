"""Videos of several windows: long videos of one prompt, films, and what their windows share.

`easyanimate.pipeline` and `easyanimate.render` import it. It imports the inputs, schedulers and stages of the pipeline.
"""
