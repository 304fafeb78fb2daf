"""Scripted callers: what they say, what the AI must do about it, and whether it did.

A scenario is a file (docs/evals.md). The AI, its tools and its models are the real
ones; only the world outside of the house is made up.
"""
