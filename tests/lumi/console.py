"""The commands for the whole house as operators and scripts call them."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def run(*words: str) -> str:
    """What a command prints for people."""
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def script(*words: str) -> Any:
    """What it prints for scripts: JSON and nothing else."""
    return json.loads(run(*words, "--json"))


def failing(*words: str) -> tuple[str, str]:
    """What a command prints that fails, and why it says it does."""
    out = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue(), str(refused.value)
