"""What web pages and proxies need: CORS, the path prefix of a proxy, signed links and tickets in place of keys.

`service.app`, `service.resources` and the routes import it. It imports `service.http` and `service.schemas`.
"""
