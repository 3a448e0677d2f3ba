"""One worker from start to end: load the model, announce it, take jobs until told to stop."""

import signal
import time

import structlog

from jobs.choose_storage import open_storage
from jobs.model_card import ModelCard
from jobs.redis_connection import connect
from jobs.registry import Registry
from jobs.store import JobStore
from worker.announcer import Announcer
from worker.attempt import Parts
from worker.drain import Drain
from worker.engine_process import EngineDied, EngineProcess
from worker.messages import Failed, Load, Ready
from worker.settings import WorkerSettings
from worker.spool import Spool
from worker.supervisor import Supervisor, leave, new_worker_name

log = structlog.get_logger()

PATIENT = 1000  # tries of one Redis command, seconds apart: nearly an hour
BRISK = 2


class ModelNotLoaded(Exception):
    """The model cannot be loaded; the message says why."""


def run_worker(settings: WorkerSettings, engine: EngineProcess) -> int:
    """The exit code: 0 after an orderly end, 1 if the model broke on the way. Raises ModelNotLoaded."""
    drain = Drain(settings.drain_grace_s)
    signal.signal(signal.SIGTERM, lambda *_: leave(drain))
    signal.signal(signal.SIGINT, lambda *_: leave(drain))
    name = new_worker_name()
    spool = Spool(settings.spool, name)
    try:
        card = _load(engine, settings, drain)
        return _take_jobs(settings, engine, drain, spool, card, name) if card else 0
    finally:
        engine.stop()
        spool.close()


def engine_for(settings: WorkerSettings) -> EngineProcess:
    """The engine of these settings, not yet started."""
    load = Load(settings.model_folder, settings.device, settings.dtype, settings.log_format, settings.memory)
    return EngineProcess(load)


def _load(engine: EngineProcess, settings: WorkerSettings, drain: Drain) -> ModelCard | None:
    """Start the engine and wait for its model's card; None if the worker was told to go in the meantime."""
    started = time.monotonic()
    engine.start()
    while not drain.has_begun:
        try:
            answer = engine.poll(0.1)
        except EngineDied as error:
            raise ModelNotLoaded("the engine died while loading it") from error
        if isinstance(answer, Ready):
            log.info("model.loaded", seconds=round(time.monotonic() - started, 1), model=answer.card.name)
            return answer.card
        if isinstance(answer, Failed):
            raise ModelNotLoaded(answer.message or answer.code)
        if time.monotonic() - started > settings.load_timeout_s:
            raise ModelNotLoaded(f"it took longer than {settings.load_timeout_s:g} s")
    return None


def _take_jobs(
    settings: WorkerSettings, engine: EngineProcess, drain: Drain, spool: Spool, card: ModelCard, name: str
) -> int:
    url = settings.redis_url.get_secret_value()
    brisk = connect(url, retries=BRISK)
    store = JobStore(brisk, lease_s=settings.lease_s)
    parts = Parts(settings, store, open_storage(settings), engine, drain)
    supervisor = Supervisor(name, connect(url, retries=PATIENT), parts, spool)
    announcer = Announcer(Registry(brisk), card, name, settings.models_dir)
    announcer.start()
    try:
        supervisor.work()
    finally:
        announcer.stop()
    log.info("worker.ended", worker=name)
    return 1 if supervisor.is_model_broken else 0
