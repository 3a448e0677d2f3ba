"""Contains the REST front end on FastAPI and its web page; it accepts requests and stores them as jobs.

`cli` and tests may import it. It may import `jobs`, and of the library only `easyanimate.geometry` and
`easyanimate.buckets` (plain integers).
"""
