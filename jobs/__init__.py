"""Jobs and their life: request, record, store, queue, access, storage and webhooks.

The service, the worker and the command line import it. It imports no other package but `easyanimate.geometry`.
"""
