"""The image and video inputs of requests: fetching, decoding, uploads and source videos.

`service.resources`, `service.submission` and the routes import it. It imports `service.http`, `service.schemas` and
`jobs`.
"""
