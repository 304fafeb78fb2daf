"""What was written for the eye or for a machine and is not said: markup, tags, JSON."""

import html
import re

_HIDDEN = re.compile(
    r"<(think|thinking|tool_call|function_call|script|style)\b[^>]*>.*?(?:</\1\s*>|\Z)"
    r"|\A.*</think(?:ing)?\s*>"
    r"|<!--.*?(?:-->|\Z)"
    r"|```.*?(?:```|\Z)"
    r"|~~~.*?(?:~~~|\Z)"
    r"|\[TOOL_CALLS?\]"
    r"|<\|.*?\|>",
    re.DOTALL | re.IGNORECASE,
)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_CALL = re.compile(r"\b(?:functions\.\w+|\w+(?:_\w+)+)\((?=[\s{\w\"')])[^)]*\)?")
_JSON = re.compile(r"\{\s*[\"'}]")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\(\s*<?([^\s()<>]*)[^()]*\)")
_REFERENCE = re.compile(r"\[\^?\d{1,3}\]|【[^】]*】|\[\[.*?\]\]")
_EMPHASIS = re.compile(
    r"(\*{1,3}|~~)(?=\S)(.+?)(?<=\S)\1|(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\3(?!\w)"
)
_RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}|\s*\|?(?=[^|]*[|-])[\s:|-]*-[\s:|-]*\|?\s*")
_HEAD = re.compile(r"\s*(?:>\s*)*(#{1,6}\s+|[-*+•‣◦▪●–]\s+(?:\[[ xX]\]\s+)?)?")
# "5. Mai" is no item of a list.
_ITEM = re.compile(
    r"(\d{1,2})[.)]\s+(?!(?:Jan|Jän|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez))"
)
_ENDED = (".", ",", ";", ":", "!", "?", "…", "。", "！", "？")


def plain(text: str) -> str:
    """One line of words, figures and signs."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text or "```" in text or "~~~" in text or "[TOOL" in text:
        text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    if "(" in text and ("_" in text or "functions." in text):
        text = _CALL.sub(" ", text)
    if "{" in text:
        text = _without_json(text)
    if "[" in text or "【" in text:
        text = _LINK.sub(lambda link: link[1] or link[2], text)
        text = _REFERENCE.sub(" ", text)
    if "*" in text or "_" in text or "~" in text:
        text = _EMPHASIS.sub(lambda marked: marked[2] or marked[4], text)
    return _lines(text.replace("`", ""))


def _without_json(text: str) -> str:
    kept, rest = "", text
    while found := _JSON.search(rest):
        kept += rest[: found.start()] + " "
        rest = rest[_end_of_object(rest, found.start()) :]
    return kept + rest


def _end_of_object(text: str, start: int) -> int:
    depth, quoted, escaped = 0, False, False
    for at in range(start, len(text)):
        sign = text[at]
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{}":
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return at + 1
    return len(text)


def _lines(text: str) -> str:
    joined, stop = "", False
    for line in text.splitlines() or [""]:
        if not line.strip():
            stop = True
            continue
        if _RULE.fullmatch(line):
            continue
        head = _HEAD.match(line)
        assert head is not None  # every part of it may be missing
        body = line[head.end() :].strip()
        item = _ITEM.match(body)
        body = body.rstrip("#").rstrip() if "#" in (head[1] or "") else body
        if item:
            body = f"{item[1]}: {body[item.end() :]}"
        if body.startswith("|"):
            body = ", ".join(cell.strip() for cell in body.strip("|").split("|"))
        marked = bool(head[1] or item or line.lstrip().startswith("|"))
        if joined:
            ended = joined.endswith(_ENDED)
            joined += ". " if (stop or marked) and not ended else " "
        joined += body
        stop = marked
    return joined
