"""The files of an attempt: moderation, marks, previews and segments of a running attempt, and the calls of the storage.

`worker.attempt` imports it. It imports the outcomes and the stop signals of an attempt, and `jobs`.
"""
