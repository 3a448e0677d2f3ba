"""The routes of `/v1/videos`: create, read, events, content and playlist.

Only `service.app` imports it. It imports all other packages of `service`.
"""
