"""Noise cancellation as a process of its own: `python -m agent.nc`.

Frames of 16-bit samples come over a websocket and go back clean, as many bytes and in
the same order. Whoever asks keeps a deadline of his own (media/noise.py): this process
may be slow, full or dead, and no call is the worse for it.
"""
