"""HTTP without videos: authentication, bodies, errors, ranges, rate limits and middleware.

All other packages of `service` may import it. It imports `jobs` and no other package of `service`.
"""
