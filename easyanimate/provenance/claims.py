"""The content of a C2PA manifest: how a file was created, with which model, from which inputs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GENERATOR = "EasyAnimate Service"
TRAINED_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
REPRODUCTION = "org.easyanimate.reproduction"  # the label of the assertion with the manifest of the project


@dataclass(frozen=True)
class ClaimIngredient:
    """An input of a video. `path` is a file of this service, whose own manifest is kept; others have their digest."""

    title: str
    media_type: str
    sha256: str
    path: Path | None = None

    def definition(self) -> dict[str, Any]:
        """The description for C2PA."""
        identifier = f"sha256:{self.sha256}" if self.sha256 else self.title
        return {
            "title": self.title,
            "format": self.media_type,
            "relationship": "inputTo",
            "instance_id": identifier,
            "label": self.title,
        }


@dataclass(frozen=True, kw_only=True)
class ProvenanceClaim:
    """What a manifest says about a file.

    `reproduction` is the manifest of the project without prompts. `video_id` is empty outside the service.
    """

    title: str
    version: str
    model: str = ""
    model_sha256: str = ""
    video_id: str = ""
    unsigned_sha256: str = ""
    reproduction: Mapping[str, Any] = field(default_factory=dict)
    ingredients: tuple[ClaimIngredient, ...] = ()

    def definition(self) -> str:
        """The definition of the manifest, as JSON of the C2PA library."""
        action: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": TRAINED_MEDIA}
        if self.model:
            action["softwareAgent"] = {"name": self.model, "version": self.model_sha256 or "unknown"}
        if self.ingredients:
            action["parameters"] = {"ingredientIds": [each.title for each in self.ingredients]}
        described = {"video_id": self.video_id, "unsigned_sha256": self.unsigned_sha256, "manifest": self.reproduction}
        assertions = [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]
        if filled := {name: value for name, value in described.items() if value}:
            assertions.append({"label": REPRODUCTION, "data": filled})
        generator = {"name": GENERATOR, "version": self.version}
        ingredients = [each.definition() for each in self.ingredients if each.path is None]
        values = {"title": self.title, "assertions": assertions, "ingredients": ingredients}
        return json.dumps({"claim_generator_info": [generator], **values})
