"""`manage.py jobs` as operators and scripts call it."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command


def jobs(*words: str) -> str:
    """What the command prints for people."""
    out = StringIO()
    call_command("jobs", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def script(*words: str) -> Any:
    """What the command prints for scripts: JSON and nothing else."""
    return json.loads(jobs(*words, "--json"))
