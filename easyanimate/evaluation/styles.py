"""The metric for a LoRA: the share of clips in its style, by strength."""

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.from_text import video_prompts
from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup
from easyanimate.evaluation.task import Comparison, EvaluationTask, compare
from easyanimate.training.shapes import describe_scene

SCALES = (0.0, 0.5, 1.0)


def plan_lora_scales(setup: Setup) -> list[EvaluationTask]:
    """An eighth of the captions at every scale; none without a LoRA."""
    if setup.lora is None:
        return []
    prompts = video_prompts(setup, setup.share(8))
    return [
        EvaluationTask("lora", i, prompt, f"{scale:g}", scale=scale)
        for i, prompt in enumerate(prompts)
        for scale in SCALES
    ]


def evaluate_lora(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a clip with its caption and the outlined style."""
    prompt, path = task.prompt, model.setup.lora
    if path is None:
        raise InvalidInput("the part lora needs a LoRA file")
    frames = model.generate_with_lora(path, task.scale, prompt.caption, prompt.seed)
    return compare(frames, {**describe_scene(prompt.scene), "style": "outlined"})
