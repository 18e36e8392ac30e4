"""A thousand 3D jobs in flight on one real worker process; `make bench-polling` measures five thousand."""

import os

import pytest

from tests.chaos.bench_polling import POLL_EVERY
from tests.chaos.plant import measured_by, show

JOBS, SECONDS = 1000, 20


@pytest.mark.journey
def test_a_thousand_jobs_on_one_worker_process() -> None:
    figures = measured_by("bench_polling", ["--jobs", str(JOBS), "--seconds", str(SECONDS)], {})
    show(os.environ.get("LUMI_TEST_PASS", "here"), figures)
    assert figures["jobs polled"] == JOBS
    assert 0.85 * figures["polls wanted"] <= figures["polls"] <= 1.1 * figures["polls wanted"]
    assert POLL_EVERY * 0.9 < figures["gap p50 s"] < POLL_EVERY * 1.2
    assert figures["gap max s"] < POLL_EVERY * 2
    if os.environ.get("LUMI_TEST_PASS") == "mariadb":
        assert 0 < figures["statements/s for polling"] <= 10
