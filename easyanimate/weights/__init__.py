"""Published weight files: which files a folder has, strict loading, arguments of `from_pretrained`, parameter counts.

All packages of the library import it, and the worker imports `parameter_count`. It imports torch, safetensors,
accelerate and the errors of the library.
"""
