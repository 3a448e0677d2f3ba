"""Training: the Slice VAE, the transformer and LoRAs, from configuration files, resumable at any step."""
