"""Words of Asterisk, as its documentation has them (documented.py).

Of applications and functions: which module has them. Of options: which there are in
a file, for which type of section; `name?` is yes or no, `name#` a whole number.
"""

from . import documented


def _modules(text: str) -> dict[str, str]:
    """The module of each word; `core` needs none."""
    found: dict[str, str] = {}
    for line in text.replace("\n ", " ").splitlines():
        module, _, words = line.partition(":")
        for word in words.split():
            # What no module of that tree has is `core`, too.
            if found.get(word, "core") == "core":
                found[word] = module
    return found


def _kinds(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """By file and type the options, and of each its kind: `?`, `#` or nothing."""
    found = {}
    for line in text.replace("\n ", " ").splitlines():
        place, _, words = line.partition(":")
        file, _, kind = place.partition(" ")
        names = {word: word.rstrip("?#") for word in words.split()}
        found[file, kind] = {name: word[len(name) :] for word, name in names.items()}
    return found


APPLICATIONS = {
    name.lower(): of for name, of in _modules(documented.APPLICATIONS).items()
}
FUNCTIONS = _modules(documented.FUNCTIONS)
OPTIONS = _kinds(documented.OPTIONS)
