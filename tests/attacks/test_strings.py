"""Texts against which a careless pattern never ends. No clock is looked at: a process that takes too much of the
processor is killed by the system."""

import subprocess
import sys
from pathlib import Path

from tests.journeys.stack import ROOT, environment_of

BOUND = "import resource; resource.setrlimit(resource.RLIMIT_CPU, ({0}, {0})); "
CAREFUL = "import django; django.setup(); from tests.attacks.strings import main; main()"
CARELESS = "import re; re.match('(a+)+$', 'a' * 50 + '!')"


def run(program: str, *, cpu_seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    command = [sys.executable, "-c", BOUND.format(cpu_seconds) + program]
    environment = environment_of(folder)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_no_text_is_looked_at_for_ever(tmp_path: Path) -> None:
    done = run(CAREFUL, cpu_seconds=60, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "kinds of fields" in done.stdout


def test_a_careless_pattern_would_have_been_found(tmp_path: Path) -> None:
    assert run(CARELESS, cpu_seconds=1, folder=tmp_path).returncode < 0
