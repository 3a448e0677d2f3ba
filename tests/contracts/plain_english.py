"""Finds words that the code and the pages do not use: `python -m tests.contracts.plain_english PATH ...` lists them."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Words without a meaning in the field. A technical word replaces each of them.
_WORDS = """
    ask asked asker asking asks bell door ear found gallery gave give given gives glance house janitor known
    look looked looks made news ours patience patient said say says seen settle settled shelf shelve shelved
    standing story take takes tally tell tells told trip urgency whoever wish wishes
"""
IN_NAMES = frozenset(re.findall(r"\w+", _WORDS))
IN_SENTENCES = re.compile(
    r"\b(whoever|whatever|nobody|somebody|everybody|ours|in earnest|goes? on from|is told|are told|hears? of|"
    r"lies? (?:in|there|under|beside)|stands? (?:for|in|there|beside)|wish(?:es)?|shel(?:f|ves)|stor(?:y|ies) of|"
    r"dawdles?|gallery|janitor|bells?|patience)\b",
    re.IGNORECASE,
)
MAX_WORDS = 25
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")


def words_of(name: str) -> set[str]:
    """The lower-case words of an identifier: `readBody_from` -> read, body, from.

    "Not found" is a term of HTTP; `made_by` and `windows_made` are fields of the API.
    """
    return {part.lower() for part in _PART.findall(re.sub("NotFound|not_found|made_by|windows_made", "", name))}


def names_in(source: str) -> Iterator[tuple[int, str]]:
    """Each identifier that `source` defines, with its line: functions, classes, parameters, variables, attributes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def odd_names(source: str) -> list[tuple[int, str]]:
    """The identifiers of `source` that contain a word of the list. Imported names are not checked."""
    return [(line, name) for line, name in names_in(source) if words_of(name) & IN_NAMES]


def texts_in(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of `source`, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def odd_sentences(texts: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """The sentences with a word of the list, and those that are too long."""
    result = []
    for line, text in texts:
        for sentence in _END.split(text):
            match = IN_SENTENCES.search(sentence)
            count = len(sentence.split())
            if match:
                result.append((line, f"{match[0]!r}: {' '.join(sentence.split())}"))
            elif count > MAX_WORDS and "|" not in sentence and "    " not in sentence:
                result.append((line, f"{count} words: {' '.join(sentence.split())}"))
    return result


def main(paths: list[str]) -> None:
    """Lists the odd names and sentences of the files below `paths`."""
    for start in paths:
        for path in sorted(Path(start).rglob("*.py")) if Path(start).is_dir() else [Path(start)]:
            source = path.read_text(encoding="utf-8")
            texts = texts_in(source) if path.suffix == ".py" else iter([(1, source)])
            odd = [(line, f"name {name}") for line, name in (odd_names(source) if path.suffix == ".py" else [])]
            for line, text in sorted([*odd, *odd_sentences(texts)]):
                sys.stdout.write(f"{path}:{line}: {text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
