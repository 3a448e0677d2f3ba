"""Contains the processes that run jobs: supervisor, engine, and the keeper, which recovers jobs and delivers webhooks.

`cli` and tests may import it. It may import `jobs` and `easyanimate`.
"""
