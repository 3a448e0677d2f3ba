"""Cleans prompts as V3's training did: lower case, without links, markup, file names and product codes.

The captions of the published models passed these steps, in this order, twice (spec: pipelines 2.1). A side effect:
ideographs are deleted, so a Chinese prompt becomes an empty one.
"""

import html
import re
import unicodedata
import warnings
from collections.abc import Sequence
from threading import Lock
from urllib.parse import unquote_plus

import ftfy

_TOP_LEVEL = "com|co|ru|net|org|edu|gov|it"
_EXTENSION = "png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4"
# A domain has at most 253 characters; without the bound a prompt of thousands of dots would take minutes.
_DOMAIN = rf"[a-z0-9.\-]{{1,253}}\.(?:{_TOP_LEVEL})[\w/-]*\b/?(?!@)"

_parser_lock = Lock()  # all threads share the filters of `warnings`

Rules = Sequence[tuple[re.Pattern[str], str]]


def _rules(*pairs: tuple[str, str]) -> Rules:
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


_LINKS = _rules(
    (rf"\b(?:https?:(?:/{{1,3}}|[a-z0-9%])|{_DOMAIN})", ""),
    (rf"\b(?:www:(?:/{{1,3}}|[a-z0-9%])|{_DOMAIN})", ""),
)
_IDEOGRAPHS = r"[\u31c0-\u31ff\u3200-\u33ff\u3400-\u4dff\u4e00-\u9fff]+"  # strokes, enclosed letters, ideographs
_CHARACTERS = _rules(
    (r"@\w+\b", ""),  # handles
    (_IDEOGRAPHS, ""),
)
_QUOTES = str.maketrans(dict.fromkeys("`´«»“”¨", '"') | dict.fromkeys("‘’", "'"))
_NUMBERS_AND_FILES = _rules(
    (r"&quot;?", ""),
    (r"&amp", ""),
    (r"\d{1,3}(?:\.\d{1,3}){3}", " "),  # IPv4 address
    (r"\d:\d\d\s+$", ""),  # a time at the end
    (r"\\n", " "),
    (r"#\d{1,3}\b", ""),
    (r"#\d{5,}\b", ""),
    (r"\b\d{6,}\b", ""),
    (rf"(?<!\S)\S+\.(?:{_EXTENSION})", ""),
)
_PUNCTUATION = _rules(
    (r"[\"']{2,}", '"'),
    (r"\.{2,}", " "),
    (r"[#®•©™&@·º½¾¿¡§~()\[\]{}|\\/*]+", " "),
    (r"(?<!\s)\s+\.\s+", " "),
)
_JOINING = re.compile(r"[-_]")
_CODES_AND_SALES = _rules(
    (r"\b[a-z]{1,3}\d{3,15}\b", ""),  # jc6640
    (r"\b[a-z]+\d+[a-z]+\b", ""),  # jc6640vc
    (r"\b\d+[a-z]+\d+\b", ""),  # 6640vc231
    (r"(?:worldwide\s+)?(?:free\s+)?shipping", ""),
    (r"(?:free\s)?download(?:\sfree)?", ""),
    (r"\bclick\b\s(?:for|on)\s\w+", ""),
    (rf"\b(?:{_EXTENSION})(?:\simages?)?", ""),
    (r"\bpage\s+\d+\b", ""),
    (r"\b\d*[a-z]+\d+[a-z]+\d+[a-z\d]*\b", " "),  # j2d1a2a
    (r"\b\d+\.?\d*[xх×]\d+\.?\d*\b", ""),  # 1920x1080, also with the Cyrillic letter
)
_SPACES = _rules((r"\b\s+:\s+", ": "), (r"(\D[,./])\b", r"\1 "), (r"\s+", " "))
_ENDS = _rules(
    (r"^[\"']([\w\W]+)[\"']$", r"\1"),
    (r"^['_,\-:;]", ""),
    (r"['_,\-:+]$", ""),
    (r"^\.\S+$", ""),
)


def clean_prompt(prompt: str) -> str:
    """Cleans `prompt` twice, as V3 does: the second pass removes what the first pass uncovers."""
    return _clean_once(_clean_once(prompt))


def lost_ideographs(prompt: str) -> str:
    """The Chinese characters of `prompt`, which cleaning deletes."""
    return "".join(re.findall(_IDEOGRAPHS, unquote_plus(prompt)))


def plain_prompt(prompt: str) -> str:
    """`prompt` without cleaning: lower case, without spaces around it."""
    return prompt.lower().strip()


def _clean_once(text: str) -> str:
    text = unquote_plus(text).strip().lower().replace("<person>", "person")
    text = _apply(_LINKS, text)
    text = _apply(_CHARACTERS, _without_markup(text))
    text = _with_plain_dashes(text).translate(_QUOTES)
    text = _apply(_PUNCTUATION, _apply(_NUMBERS_AND_FILES, text))
    if len(_JOINING.findall(text)) > 3:  # a title written as one word
        text = _JOINING.sub(" ", text)
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    text = _apply(_SPACES, _apply(_CODES_AND_SALES, text))
    return _apply(_ENDS, text).strip()


def _apply(rules: Rules, text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def _without_markup(text: str) -> str:
    """The text between the tags. After the last `>` there is no complete tag, so each `<` there is a character.

    The parser would need quadratic time for thousands of them, and its result differs between Python versions.
    """
    if "<" not in text and "&" not in text:
        return text
    from bs4 import BeautifulSoup
    from bs4.exceptions import ParserRejectedMarkup

    tagged, closing, tail = text.rpartition(">")
    text = tagged + closing + tail.replace("<", "&lt;")
    with _parser_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser warns of prompts that look like a file name or a link
        try:
            return BeautifulSoup(text, features="html.parser").get_text()
        except ParserRejectedMarkup:  # such as an unclosed `<![`: no markup, so nothing to remove
            return text


def _with_plain_dashes(text: str) -> str:
    """Replaces each run of Unicode dashes (category Pd) by one `-`."""
    return re.sub("-+", "-", "".join("-" if unicodedata.category(letter) == "Pd" else letter for letter in text))
