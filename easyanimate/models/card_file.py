"""`card.json` for a model that came without: whoever puts it on the shelf knows what to write."""

from collections.abc import Callable
from pathlib import Path

# (what the publisher calls the model, its name on the shelf) -> the text of card.json, or None if nothing is known
CardFactory = Callable[[str, str], str | None]


def add_card(folder: Path, published_as: str, name: str, make_card: CardFactory | None) -> None:
    """Write `folder`/card.json, unless one came with the model or nothing is known of it."""
    path = folder / "card.json"
    text = make_card(published_as, name) if make_card is not None and not path.exists() else None
    if text is not None:
        path.write_text(text, encoding="utf-8")
