"""Transfers of models into the models folder, from the Hugging Face hub or from a tar archive.

The CLI and `easyanimate.models` import it. It imports the checks of `easyanimate.models`, huggingface_hub and the
standard library.
"""
