"""Marks of generated files: C2PA manifests, XMP and the AIGC label, and how they are checked.

The worker and the command line mark with it; the limited process of the front end checks with it. It imports c2pa and
cryptography, but no torch and no decoder of videos.
"""
