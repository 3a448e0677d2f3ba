"""The routes of the API, one router per resource.

Only `service.app` imports it. It imports all other packages of `service`.
"""
