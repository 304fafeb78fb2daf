"""What a model writes, as a person would say it: `spoken(text, language)`.

say.py has the order of the steps, markup.py what was written for the eye, figures.py
all that has digits; each language is a file of words and habits (docs/speech.md).
"""

from .say import abbreviations, spoken

__all__ = ["abbreviations", "spoken"]
