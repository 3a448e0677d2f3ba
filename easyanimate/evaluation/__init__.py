"""Evaluation of a model of the procedural set: held-out captions, generated clips, measurements and a report.

The command `easyanimate evaluate` uses it. It may import the pipeline, the models, `easyanimate.files` and
`easyanimate.training.shapes`.
"""

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.metrics import METRIC_GROUPS, choose_groups
from easyanimate.evaluation.prompts import EvaluationPrompt, Setup, sample_prompts
from easyanimate.evaluation.report.ledger import Ledger, TaskResult
from easyanimate.evaluation.report.report import table_lines, write_report
from easyanimate.evaluation.report.summary import Share, Summary, summarise, summarise_groups
from easyanimate.evaluation.running import EvaluatedClip, plan_tasks, run_in_processes, run_sequentially, run_tasks
from easyanimate.evaluation.task import Comparison, EvaluationTask
from easyanimate.evaluation.thresholds import Threshold, read_threshold

__all__ = [
    "METRIC_GROUPS",
    "Comparison",
    "EvaluatedClip",
    "EvaluationModel",
    "EvaluationPrompt",
    "EvaluationTask",
    "Ledger",
    "Setup",
    "Share",
    "Summary",
    "TaskResult",
    "Threshold",
    "choose_groups",
    "plan_tasks",
    "read_threshold",
    "run_in_processes",
    "run_sequentially",
    "run_tasks",
    "sample_prompts",
    "summarise",
    "summarise_groups",
    "table_lines",
    "write_report",
]
