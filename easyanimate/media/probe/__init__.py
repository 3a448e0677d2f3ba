"""Decodes files of callers in processes with limits: `python -m easyanimate.media.probe` forks one for each file.

`messages` needs the standard library only; the process that starts the fork server imports nothing else from here.
"""
