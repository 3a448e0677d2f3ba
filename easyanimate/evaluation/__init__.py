"""Does a model of the procedural set obey? Held-out captions, clips, verdicts, and a report of them."""

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.metrics import METRIC_GROUPS, choose_groups
from easyanimate.evaluation.prompts import Question, Setup, questions
from easyanimate.evaluation.report.ledger import Ledger, TaskResult
from easyanimate.evaluation.report.report import lines_of, write_report
from easyanimate.evaluation.report.summary import Share, Summary, by_group, summarise
from easyanimate.evaluation.running import GeneratedVideo, in_turn, plan_tasks, run_tasks, side_by_side
from easyanimate.evaluation.task import EvaluationTask, Judgement
from easyanimate.evaluation.thresholds import Threshold, read_threshold

__all__ = [
    "METRIC_GROUPS",
    "EvaluationModel",
    "EvaluationTask",
    "GeneratedVideo",
    "Judgement",
    "Ledger",
    "Question",
    "Setup",
    "Share",
    "Summary",
    "TaskResult",
    "Threshold",
    "by_group",
    "choose_groups",
    "in_turn",
    "lines_of",
    "plan_tasks",
    "questions",
    "read_threshold",
    "run_tasks",
    "side_by_side",
    "summarise",
    "write_report",
]
