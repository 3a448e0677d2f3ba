"""The models that a worker serves: those of the settings with a valid card, until one is withdrawn."""

from collections.abc import Mapping

import structlog

from easyanimate.errors import CheckpointError
from easyanimate.sampling import QUALITIES
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.stored import unknown_parts
from worker.models.cards import read_served_card
from worker.settings import WorkerSettings

log = structlog.get_logger()


class ModelNotLoaded(Exception):
    """The model cannot be loaded; the message holds the reason."""


class ServedModels:
    """`cards` by name, in the order of the settings, and the names of the `withdrawn` models.

    Both are replaced, not changed: other threads read them.
    """

    def __init__(self, cards: Mapping[str, ModelCard]) -> None:
        self.cards = cards
        self.withdrawn: frozenset[str] = frozenset()

    def withdraw(self, model: str, reason: str) -> None:
        """Stops serving this model."""
        log.error("model.withdrawn", model=model, reason=reason)
        self.withdrawn |= {model}
        self.cards = {name: card for name, card in self.cards.items() if name != model}


def why_unsupported(job: Job, card: ModelCard | None) -> str | None:
    """Why this release would not do all that the request says; None if it would. `card` is that of the job's model."""
    newest = Job.model_fields["schema_version"].default
    if job.schema_version > newest:
        return f"its record has version {job.schema_version}, and this release reads up to {newest}"
    if unknown := list(unknown_parts(job.request, "request.")):
        return f"this release does not define {', '.join(unknown)}"
    if card is not None and job.request.scheduler not in card.schedulers:
        return f"the model of this worker has no scheduler {job.request.scheduler}"
    if job.request.quality not in QUALITIES:
        return f"this release has no quality {job.request.quality}"
    return None


def read_served(settings: WorkerSettings) -> ServedModels:
    """The models of the settings that have a card, in their order. Raises ModelNotLoaded if none has."""
    cards: dict[str, ModelCard] = {}
    problems: dict[str, str] = {}
    for name in settings.served_models:
        folder = settings.models_dir / name
        try:
            if not folder.is_dir():
                raise CheckpointError(f"there is no folder {folder}")
            cards[name] = read_served_card(folder)
        except CheckpointError as error:
            problems[name] = str(error)
    served = ServedModels(cards)
    if not cards:
        raise ModelNotLoaded(next(iter(problems.values())))
    for name, problem in problems.items():
        served.withdraw(name, problem)
    return served
