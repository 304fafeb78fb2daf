"""Words that are looked for in what was said.

`"nine o'clock"` is found as whole words, in upper or lower case; `"/nine|9( |:)/"`
between slashes is a regular expression.
"""

import re

from agent.calls.reading import ReadingError


class Pattern:
    def __init__(self, text: str) -> None:
        """ReadingError when it is no regular expression."""
        if len(text) > 2 and text.startswith("/") and text.endswith("/"):
            expression = text[1:-1]
        else:
            words = r"\s+".join(re.escape(word) for word in _plain(text).split())
            expression = rf"(?<!\w){words}(?!\w)"
        try:
            self._expression = re.compile(expression, re.IGNORECASE)
        except re.error as error:
            raise ReadingError(f"{text!r}: no regular expression: {error}") from error

    def found_in(self, text: str) -> bool:
        return self._expression.search(_plain(text)) is not None


def _plain(text: str) -> str:
    # Models write both kinds of apostrophe and of hyphen.
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace(
        "\N{NON-BREAKING HYPHEN}", "-"
    )


def any_in(patterns: tuple[str, ...], text: str) -> bool:
    return any(Pattern(pattern).found_in(text) for pattern in patterns)
