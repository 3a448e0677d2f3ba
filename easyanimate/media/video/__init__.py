"""Reads videos of other programs: the file's boxes and packets, the times of its frames, and their colours."""
