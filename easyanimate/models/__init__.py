"""The shelf of models: pulled from the hub or imported from an archive, listed, and checked."""
