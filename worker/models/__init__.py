"""The models of a worker: their cards, which of them it serves, their LoRAs, and how much memory they need.

All packages of `worker` and the CLI may import it. It may import `jobs.model` and the parts of `easyanimate` that need
no torch.
"""
