"""Writes agent/doctor/vocabulary.py from what an Asterisk says of itself:

    python -m tests.doctor.make_vocabulary TREE/usr >agent/doctor/vocabulary.py

TREE/usr has share/asterisk/documentation/core-en_US.xml and the modules below lib/.
"""

import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

_FILES = ("pjsip.conf", "websocket_client.conf", "chan_websocket.conf", "ari.conf")
_HEAD = '''\
"""Words of Asterisk 22.10.1, by its own documentation: tests/doctor/make_vocabulary.py.

Of applications and functions: which module has them. Of options: which there are in
a file, for which type of section; `name?` is yes or no, `name#` a whole number.
"""

'''
_TAIL = '''

def _modules(text: str) -> dict[str, str]:
    """The module of each word; `core` needs none."""
    found: dict[str, str] = {}
    for line in text.replace("\\n ", " ").splitlines():
        module, _, words = line.partition(":")
        for word in words.split():
            # What no module of that tree has is `core`, too.
            if found.get(word, "core") == "core":
                found[word] = module
    return found


def _kinds(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """By file and type the options, and of each its kind: `?`, `#` or nothing."""
    found = {}
    for line in text.replace("\\n ", " ").splitlines():
        place, _, words = line.partition(":")
        file, _, kind = place.partition(" ")
        names = {word: word.rstrip("?#") for word in words.split()}
        found[file, kind] = {name: word[len(name) :] for word, name in names.items()}
    return found


APPLICATIONS = {name.lower(): of for name, of in _modules(_APPLICATIONS).items()}
FUNCTIONS = _modules(_FUNCTIONS)
OPTIONS = _kinds(_OPTIONS)
'''


def words(usr: Path) -> str:
    path = usr / "share/asterisk/documentation/core-en_US.xml"
    root = ElementTree.parse(path).getroot()
    modules = {found.stem for found in usr.glob("lib/*/asterisk/modules/*.so")}
    text = _HEAD
    for name, tag in (("_APPLICATIONS", "application"), ("_FUNCTIONS", "function")):
        by_module = defaultdict(set)
        for found in root.iter(tag):
            module = found.get("module", "")
            by_module[module if module in modules else "core"].add(found.get("name"))
        text += _block(name, by_module)
    by_type = defaultdict(set)
    for info in root.iter("configInfo"):
        for file in info.iter("configFile"):
            for kind in file.iter("configObject"):
                if file.get("name") in _FILES:
                    place = f"{file.get('name')} {kind.get('name')}"
                    options = kind.iter("configOption")
                    by_type[place] |= set(map(_option, options))
    return text + _block("_OPTIONS", by_type) + _TAIL


def _option(option) -> str:
    default = option.get("default") or ""
    choices = any(True for _ in option.iter("enum"))
    if default in ("yes", "no", "true", "false") and not choices:
        return option.get("name") + "?"
    return option.get("name") + ("#" if default.isdecimal() and not choices else "")


def _block(name: str, lines) -> str:
    wrapped = [
        textwrap.fill(
            f"{place}: {' '.join(sorted(found))}",
            88,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for place, found in sorted(lines.items())
    ]
    return f'{name} = """\\\n' + "\n".join(wrapped) + '\n"""\n'


if __name__ == "__main__":
    print(words(Path(sys.argv[1])), end="")
