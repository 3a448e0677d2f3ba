"""The results of an evaluation: a ledger on disk, summaries, tables and contact sheets.

`easyanimate.evaluation` imports it. It may import the metrics, tasks and thresholds of that package,
`easyanimate.files` and Pillow.
"""
