"""The part that tries a LoRA: how much of its style shows at each strength."""

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.from_text import clip_questions
from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup
from easyanimate.evaluation.task import EvaluationTask, Judgement, judge
from easyanimate.training.shapes import describe_scene

SCALES = (0.0, 0.5, 1.0)


def plan_scales(setup: Setup) -> list[EvaluationTask]:
    """An eighth of the captions at every scale; none without a LoRA."""
    if setup.lora is None:
        return []
    asked = clip_questions(setup, setup.share(8))
    return [
        EvaluationTask("lora", i, question, f"{scale:g}", scale=scale)
        for i, question in enumerate(asked)
        for scale in SCALES
    ]


def make_styled(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Is the shape outlined, and all else as the caption says?"""
    question, path = task.question, maker.setup.lora
    if path is None:
        raise InvalidInput("the part lora needs a LoRA file")
    frames = maker.clip_with_lora(path, task.scale, question.caption, question.seed)
    return judge(frames, {**describe_scene(question.scene), "style": "outlined"})
