"""Values of a job without Redis: request, record, states, failures, model card, limits and deliveries.

Every package but `easyanimate` may import it. It may import `jobs.errors` and `easyanimate.geometry`.
"""
