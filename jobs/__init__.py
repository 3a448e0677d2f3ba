"""Contains jobs and their life: request, record, store, queue, access, storage and webhooks.

`service`, `worker` and `cli` may import it. It may import `easyanimate.geometry` (plain integers) and no other package.
"""
