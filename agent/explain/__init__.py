"""`offhook explain CALL`: what was wrong with a call, in one sentence, without a model.

`explain` is pure: a record and what the logs say go in, a Verdict comes out. Its rules
are a table in rules.py; they stand in a module for each question that is asked of a
call: endings, silence, slowness, deeds, afterwards, and told, by the logs.
"""
