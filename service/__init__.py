"""The HTTP front end on FastAPI, and its web page: accepts requests and stores them as jobs.

Only `cli` and tests import it. It imports `jobs`, and neither `worker` nor `easyanimate`.
"""
