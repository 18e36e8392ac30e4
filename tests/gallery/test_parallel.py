"""The gallery under many hands."""

from functools import partial

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery import actions, downloads, sharing
from gallery.models import Model
from lumi.errors import InvalidState, NotFound
from tests.factories import make_model, make_user
from tests.gallery.parallel import THREADS, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_view_and_no_download_is_lost():
    model, reader = make_model(make_user(), public=True), make_user()
    verbs = [partial(verb, user=reader, model_id=model.pk) for verb in (actions.view, downloads.download)]

    def many(verb):
        for _ in range(5):
            verb()

    outcomes = at_once([partial(many, verbs[number % 2]) for number in range(THREADS)])
    assert outcomes == [None] * THREADS
    model.refresh_from_db()
    assert (model.view_count, model.download_count) == (20, 20)


def test_one_of_many_removals_wins_and_publishing_meanwhile_is_safe():
    owner = make_user()
    model = make_model(owner)
    works = [
        partial(verb, user=owner, model_id=model.pk) for verb in [actions.remove, sharing.publish] * (THREADS // 2)
    ]
    outcomes = at_once(works)
    removals = outcomes[::2]
    assert removals.count(None) == 1
    assert all(isinstance(outcome, NotFound) for outcome in removals if outcome is not None)
    assert all(isinstance(outcome, Model | NotFound) for outcome in outcomes[1::2])
    assert not Model.objects.exists()
    assert not any(default_storage.exists(file["key"]) for file in model.files)


def test_publishing_many_times_at_once_dates_once():
    owner = make_user()
    model = make_model(owner)
    outcomes = at_once([partial(sharing.publish, user=owner, model_id=model.pk)] * THREADS)
    model.refresh_from_db()
    assert {outcome.published_at for outcome in outcomes} == {model.published_at}


def test_a_model_is_completed_once_and_published_only_then():
    owner = make_user()
    model = actions.create_unfinished(owner=owner, name="Cat")
    files = [{"role": "glb", "key": default_storage.save("models/b/c/cat.glb", ContentFile(b"1")), "size": 1}]
    completions = [partial(actions.complete, model_id=model.pk, files=files)] * (THREADS // 2)
    publishing = [partial(sharing.publish, user=owner, model_id=model.pk)] * (THREADS // 2)
    outcomes = at_once([*completions, *publishing])
    assert outcomes[: THREADS // 2].count(None) == 1
    assert all(isinstance(outcome, Model | InvalidState) for outcome in outcomes[THREADS // 2 :])
