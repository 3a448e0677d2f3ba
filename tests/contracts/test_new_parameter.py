"""A new generation parameter changes at most four files from the HTTP API to the pipeline, as tested on a copy."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("easyanimate", "jobs", "service", "worker", "cli")
MAX_FILES = 4
# A line of each file, and the new line of the parameter `eta` after it.
CHANGES = {
    "jobs/model/request.py": ("    clean_caption: bool = True\n", "    eta: float = 0.0\n"),
    "service/schemas/requests/generation.py": (
        '    clean_caption: Flag = Field(True, description="Cleans the prompts as the model\'s training did.")\n',
        '    eta: Number = Field(0.0, ge=0, le=1, description="Noise that each step adds.")\n',
    ),
    "service/schemas/video.py": ("    clean_caption: bool\n", "    eta: float\n"),
    "easyanimate/pipeline/inputs/generation.py": ("    clean_caption: bool = True\n", "    eta: float = 0.0\n"),
}
PROGRAM = """
import json
from pathlib import Path
from unittest.mock import MagicMock

from cli.local.recipe import RecipeSettings
from jobs.model.job import Job
from jobs.store.callers.async_submission import ModelOffer
from service.app import create_app
from service.schemas.requests.create import CreateVideo
from service.schemas.video import to_video
from service.settings import ServiceSettings
from service.submission.build import build_submission
from worker.generation.manifest_settings import manifest_settings
from worker.generation.pipeline_inputs import build_pipeline_inputs
from worker.models.cards import read_card
from worker.protocol.messages import Run

card = read_card(Path("easyanimate/tiny/model"))
body = CreateVideo.model_validate({"prompt": "a ball", "eta": 0.25})
request = build_submission(MagicMock(), "owner", body, ModelOffer((card,))).request
stored = Job(id="video_1", owner="owner", request=request, created_at=0).to_hash()
job = Job.from_hash({name.encode(): value.encode() for name, value in stored.items()})
manifest = manifest_settings(job.request, card.window)
print(json.dumps({
    "document": create_app(ServiceSettings()).openapi(),
    "stored": job.request.eta,
    "view": to_video(job).eta,
    "manifest": manifest["eta"],
    "pipeline": build_pipeline_inputs(Run("run", job.request, Path("video.mp4")), card.window).generation().eta,
    "reproduced": RecipeSettings.model_validate(manifest).eta,
}))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The value 0.25 of the parameter at each layer, and the OpenAPI document."""
    folder = tmp_path_factory.mktemp("packages")
    for package in PACKAGES:
        # With the bytecode, without unfinished files of it: Python compiles a changed file again.
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.safetensors", "*.pyc.*"))
    for name, (line, new_line) in CHANGES.items():
        source = (folder / name).read_text()
        assert source.count(line) == 1, name
        (folder / name).write_text(source.replace(line, line + new_line))
    program = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


def test_a_new_parameter_changes_at_most_four_files() -> None:
    assert len(CHANGES) <= MAX_FILES


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/edits", "/v1/videos/extensions"])
def test_the_request_bodies_of_the_document_have_the_new_parameter(results: dict[str, Any], path: str) -> None:
    body = results["document"]["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["eta"]["type"] == "number"


def test_the_record_of_a_video_in_the_document_has_the_new_parameter(results: dict[str, Any]) -> None:
    assert results["document"]["components"]["schemas"]["Video"]["properties"]["eta"]["type"] == "number"


@pytest.mark.parametrize("layer", ["stored", "view", "manifest", "pipeline", "reproduced"])
def test_a_new_parameter_reaches_each_layer(results: dict[str, Any], layer: str) -> None:
    assert results[layer] == 0.25
