"""The caller's voice in, ours out.

link.py reads one call's socket; ear.py and vad.py make speech of its frames;
mouth.py keeps Asterisk's queue filled a little ahead of the caller's ear;
transport.py is where all this meets pipecat.
"""
