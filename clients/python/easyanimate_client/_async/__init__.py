"""The asynchronous client. `clients.generator` writes the synchronous one from it."""
