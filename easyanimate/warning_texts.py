"""Texts of warnings for callers, each with a stable code. A code and its values are also read from a text.

Warnings are stored and sent as texts, which all releases understand (docs/decisions/0085-codes-of-warnings.md).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

UNKNOWN = "unknown"  # the code of a text of another release
_SHOT = re.compile(r"shots\[(\d+)\](?:\.|: )")
_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class WarningCode:
    """What a text says: a code, the shot of a film, and the values in the text."""

    code: str
    shot: int | None = None
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WarningText:
    """A text with its code; names in braces are its values."""

    code: str
    template: str

    def fill(self, **values: object) -> str:
        """The text with these values."""
        return self.template.format(**values)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values."""
        return tuple(dict.fromkeys(_NAME.findall(self.template)))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches each text that `fill` returns."""
        pattern, earlier = "", set()
        for place, part in enumerate(_NAME.split(self.template)):
            value = f"(?P={part})" if part in earlier else f"(?P<{part}>.+?)"
            pattern += value if place % 2 else re.escape(part)
            earlier.update([part] if place % 2 else [])
        return re.compile(pattern, re.DOTALL)


class WarningReader:
    """Reads the codes of texts."""

    def __init__(self, texts: Iterable[WarningText]) -> None:
        self._patterns = [(text.code, text.pattern) for text in texts]

    def read(self, text: str) -> WarningCode:
        """The code and the values of a text; a text of another release has the code `unknown`."""
        prefix = _SHOT.match(text)
        shot, rest = (int(prefix[1]), text[prefix.end() :]) if prefix else (None, text)
        for code, pattern in self._patterns:
            if match := pattern.fullmatch(rest):
                return WarningCode(code, shot, match.groupdict())
        return WarningCode(UNKNOWN, shot)


PROMPT_EMPTY = WarningText(
    "prompt_empty", "nothing is left of the prompt {prompt} after cleaning; the model reads English only"
)
CHINESE_PROMPT_EMPTY = WarningText(
    "chinese_prompt_empty",
    "nothing is left of the prompt {prompt} after cleaning; Chinese characters are deleted; "
    "the model reads English only",
)
CHINESE_DELETED = WarningText(
    "chinese_deleted", "the model reads English only; deleted from the prompt: Chinese characters {characters}"
)
PROMPT_TOO_LONG = WarningText(
    "prompt_too_long", "the prompt has {tokens} tokens and the model reads {limit}; left out: {rest}"
)
LORA_UNUSED = WarningText(
    "lora_partly_used", "lora {name}: {applied} of {total} modules applied; not used: {module}, …"
)
FRAMES_ENCODED_AGAIN = WarningText("frames_encoded_again", "video: its frames are encoded again, because {reason}")
JPEG_ROWS_MISSING = WarningText(
    "jpeg_rows_missing", "is a cut off JPEG file; the last {missing} of its {rows} rows are grey"
)
JPEG_CUT_OFF = WarningText("jpeg_cut_off", "is a cut off JPEG file; its end may lack some pixels")

LIBRARY_TEXTS = (
    CHINESE_PROMPT_EMPTY, PROMPT_EMPTY, CHINESE_DELETED, PROMPT_TOO_LONG, LORA_UNUSED, FRAMES_ENCODED_AGAIN,
)  # fmt: skip
IMAGE_TEXTS = (JPEG_ROWS_MISSING, JPEG_CUT_OFF)  # they continue the name of a field and "it"
