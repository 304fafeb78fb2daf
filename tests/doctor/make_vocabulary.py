"""Writes agent/doctor/documented.py from what an Asterisk says of itself:

    python -m tests.doctor.make_vocabulary TREE/usr >agent/doctor/documented.py

TREE/usr has share/asterisk/documentation/core-en_US.xml and the modules below lib/.
"""

import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

_FILES = ("pjsip.conf", "websocket_client.conf", "chan_websocket.conf", "ari.conf")
_HEAD = '''\
"""Words of Asterisk 22.10.1, by its own documentation: written by
tests/doctor/make_vocabulary.py, read by vocabulary.py."""

'''


def words(usr: Path) -> str:
    path = usr / "share/asterisk/documentation/core-en_US.xml"
    root = ElementTree.parse(path).getroot()
    modules = {found.stem for found in usr.glob("lib/*/asterisk/modules/*.so")}
    text = _HEAD
    for name, tag in (("APPLICATIONS", "application"), ("FUNCTIONS", "function")):
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
    return text + _block("OPTIONS", by_type)


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
