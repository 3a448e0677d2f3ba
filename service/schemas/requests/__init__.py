"""Bodies of requests for videos: create, edit, extend, remix, promote and update.

The packages of `service` above the schemas import it. It imports the field types of `service.schemas`, and `jobs`.
"""
