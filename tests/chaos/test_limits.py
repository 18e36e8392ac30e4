"""The providers' limits hold over all processes, in every window; `make chaos-limits` takes five minutes over it."""

import os

import pytest

from tests.chaos.bench_limits import faults_of
from tests.chaos.plant import measured_by, show

SHORT = ["--workers", "3", "--seconds", "27", "--window", "12"]


@pytest.mark.journey
def test_limits_hold_over_all_processes_and_are_used() -> None:
    figures = measured_by("bench_limits", SHORT, {})
    show(os.environ.get("LUMI_TEST_PASS", "here"), figures)
    assert faults_of(figures, least=0.75) == []  # a tick and a margin weigh more in a short window
