"""Who says what: from the caller's utterance to our answer.

pipeline.py is the map: the processors in their order, and what happens around them.

    ears        ears, hearing, turns, whisper, recognisers, keys
    mind        thinking, guess, minds, prompts, tools/, policy
    voice       speaking, clauses, spoken/, voices, phrases, rehearsal, lines, script
    the whole   watch, standing, errors, stopwatch, metering, words
    who they are   seams, providers, suitable, catalogue, config
    another way    realtime: one model that hears and speaks
"""
