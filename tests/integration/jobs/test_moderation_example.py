"""The moderation hook that the guide shows in full works with the service."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from cli.stack.ports import free_port
from jobs.model.request import VideoRequest
from jobs.moderation import ModerationCase, ModerationStage, Moderator, Verdict
from tests.moderation_hook import SECRET

PAGE = Path(__file__).parents[3] / "docs" / "operations" / "moderation.md"
FIELDS: dict[str, Any] = {
    **{"model": "m", "width": 64, "height": 64, "num_frames": 8, "fps": 24, "seed": 1},
    **{"num_inference_steps": 4, "guidance_scale": 4.0, "scheduler": "euler"},
}


def wait_until_it_listens(url: str) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            httpx.get(url, timeout=60)
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_the_hook_of_the_guide_checks_signatures_and_words(tmp_path: Path, redis: Redis) -> None:
    (program,) = re.findall(r"^```python\n(# hook\.py.*?)^```", PAGE.read_text(), re.M | re.S)
    (tmp_path / "hook.py").write_text(program)
    url = f"http://127.0.0.1:{(port := free_port())}/check"
    environment = {**os.environ, "MODERATION_SECRET": SECRET, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "hook.py"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until_it_listens(url)
            moderator = Moderator(url, SECRET, allows_on_error=False, redis=redis)
            other = Moderator(url, "whsec_" + "QUFB" * 8, allows_on_error=False, redis=redis)
            fox, weapon = (
                ModerationCase(ModerationStage.PROMPT, "me", VideoRequest(prompt=prompt, **FIELDS))
                for prompt in ("a red fox", "a fox with a weapon")
            )
            assert moderator.check(fox) == Verdict(allow=True)
            assert moderator.check(weapon) == Verdict(allow=False, reason="the prompt names a weapon")
            assert not other.check(fox).is_checked
        finally:
            process.kill()
