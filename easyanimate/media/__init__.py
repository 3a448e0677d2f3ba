"""Understands videos and images of other programs as players and viewers show them: time, size, orientation, colour.

It needs neither torch nor the other parts of the library. `description` needs the standard library only.
"""
