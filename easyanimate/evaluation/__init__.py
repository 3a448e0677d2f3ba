"""Does a model of the procedural set obey? Held-out captions, clips, verdicts, and a report of them."""

from easyanimate.evaluation.generator import Maker
from easyanimate.evaluation.metrics import PARTS, choose_parts
from easyanimate.evaluation.prompts import Question, Setup, questions
from easyanimate.evaluation.report.ledger import Ledger, Result
from easyanimate.evaluation.report.report import lines_of, write_report
from easyanimate.evaluation.report.summary import Share, Summary, by_group, summarise
from easyanimate.evaluation.running import Made, in_turn, plan, run, side_by_side
from easyanimate.evaluation.task import Outcome, Task
from easyanimate.evaluation.thresholds import Floor, read_floor

__all__ = [
    "PARTS",
    "Floor",
    "Ledger",
    "Made",
    "Maker",
    "Outcome",
    "Question",
    "Result",
    "Setup",
    "Share",
    "Summary",
    "Task",
    "by_group",
    "choose_parts",
    "in_turn",
    "lines_of",
    "plan",
    "questions",
    "read_floor",
    "run",
    "side_by_side",
    "summarise",
    "write_report",
]
