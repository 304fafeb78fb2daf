"""Who says what: from the caller's utterance to our answer.

pipeline.py is the map: the processors in their order. hearing.py turns speech to text
(whisper.py), turns.py says when the caller is done, providers.py knows which model
answers, speech.py gives the answer a voice, tools.py is what else the AI can do.
"""
