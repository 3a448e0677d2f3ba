"""Adds `card.json` to a model that came without one; the caller supplies the text."""

from collections.abc import Callable
from pathlib import Path

# (the publisher's name of the model, its name in the models folder) -> the text of card.json, or None if there is none
CardFactory = Callable[[str, str], str | None]


def add_card(folder: Path, published_as: str, name: str, make_card: CardFactory | None) -> None:
    """Writes `folder`/card.json, unless the model has one or no text is available."""
    path = folder / "card.json"
    text = make_card(published_as, name) if make_card is not None and not path.exists() else None
    if text is not None:
        path.write_text(text, encoding="utf-8")
