"""`python -m worker` with the fixture engine in the place of the real one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import worker.__main__ as program
from tests.integration.worker.no_marks import NoMarks
from worker.attempt.engine_process import EngineProcess
from worker.protocol.messages import LoadModel
from worker.settings import WorkerSettings


def fixture_engine_for(settings: WorkerSettings) -> EngineProcess:
    """The engine without a model, with the settings of the worker."""
    command = (sys.executable, str(Path(__file__).with_name("fixture_engine.py")))
    options = settings.device, settings.dtype, settings.log_format
    return EngineProcess(LoadModel(settings.model_folder, *options, room_bytes=settings.model_memory_bytes), command)


program.engine_for = fixture_engine_for
program.open_marker = lambda _: NoMarks()
sys.exit(program.main())
