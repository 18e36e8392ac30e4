"""A paid answer that the database does not take is kept in a file."""

import json
from typing import Any

import pytest
from django.db import OperationalError

from generation import journal, outcomes, sweeps
from generation.models import GenerationRequest, ProviderCall
from generation.states import Stage
from lumi.accounts.models import User
from providers.base import JobState, Report
from tests.factories import make_request
from tests.generation.accidents import (
    ORDER,
    die,
    model_job,
    sweep_after_the_lease,
    work_until_killed,
)
from tests.generation.conftest import turn_to_the_end
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)


class TestWithoutADatabase:
    """A paid answer outlives a database that is away."""

    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """The journal cannot be written, as long as this is not undone."""

        def refuse(*_: Any) -> None:
            raise OperationalError(2006, "Server has gone away")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "write", refuse)
            patch.setattr(journal, "WRITE_SECONDS", 0)
            yield patch

    def test_the_answer_is_kept_in_a_file_and_read_by_the_next_sweep(
        self, alice: User, builder: Vendor, away: Any, settings: Any, tmp_path: Any
    ) -> None:
        settings.DATA_DIR = tmp_path
        request = make_request(alice, status="MODEL_PENDING")
        away.setattr(outcomes, "heard", die)
        assert work_until_killed("model") == 1
        (file,) = journal.spool_folder().iterdir()
        assert (file.stem, json.loads(file.read_text())["outcome"]) == (builder.ledger[0], "ACCEPTED")
        sweep_after_the_lease()  # the database is still away: the file stays
        assert file.exists()
        away.undo()
        sweep_after_the_lease()
        assert not file.exists()
        assert model_job().stage == Stage.POLLING
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "COMPLETED"
        assert len(builder.ledger) == 1

    def test_a_database_that_comes_back_is_written_to(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any
    ) -> None:
        settings.DATA_DIR = tmp_path
        make_request(alice, status="MODEL_PENDING")
        job = model_job()
        journal.sent(job, ORDER)
        tries: list[int] = []
        write = journal.write

        def back_at_the_second_try(*words: Any) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise OperationalError(2013, "Lost connection")
            write(*words)

        monkeypatch.setattr(journal, "write", back_at_the_second_try)
        journal.answered(job, Report(state=JobState.RUNNING, ref="r"))
        assert ProviderCall.objects.get().outcome == "ACCEPTED"
        assert list(journal.spool_folder().iterdir()) == []


def test_a_file_of_no_use_is_put_aside_and_does_not_hold_up_the_others(
    alice: User, builder: Vendor, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    make_request(alice, status="MODEL_PENDING")
    answer = {"outcome": "REFUSED", "answer": {}}
    folder = journal.spool_folder()
    (folder / "0-broken.json").write_text("{")
    journal.spool("1-of-nobody", answer)
    ProviderCall.objects.create(reference="2-ours", kind="model", job_id="x", provider="scripted")
    journal.spool("2-ours", answer)
    sweeps.sweep()
    assert sorted(path.name for path in folder.iterdir()) == ["0-broken.aside", "1-of-nobody.aside"]
    assert ProviderCall.objects.get().outcome == "REFUSED"
