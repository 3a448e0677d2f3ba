"""Training of the Slice VAE, the transformer and LoRAs from settings files; it can be resumed at any step.

The command line starts it as a process (`python -m easyanimate.training`), and `easyanimate.tiny` uses it. It may
import the models, the pipeline, `easyanimate.files` and `easyanimate.lora`.
"""
