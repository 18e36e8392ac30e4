"""Throwing models away: rows, files, and what the room above holds."""

import pytest
from django.core.files.storage import default_storage

from gallery import actions
from gallery.models import Model
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.errors import NotFound
from tests.factories import make_model
from tests.gallery import slots


def files_of(model):
    return [file["key"] for file in model.files if default_storage.exists(file["key"])]


def test_rows_and_files_go_and_others_stay(as_alice, alice, bob, django_capture_on_commit_callbacks):
    model, other = make_model(alice, public=True), make_model(alice)
    toggle(user=bob, model_id=model.pk, kind=Kind.LIKE)
    with django_capture_on_commit_callbacks(execute=True):
        response = as_alice.delete(f"/api/models/{model.pk}")
    assert (response.status_code, response.json()) == (200, {"status": "success", "data": None})
    assert slots.released == [model.pk]
    assert set(Model.objects.all()) == {other}
    assert not ModelInteraction.objects.exists()
    assert files_of(model) == []
    assert len(files_of(other)) == 6


def test_files_wait_for_the_commit(alice, django_capture_on_commit_callbacks):
    model = make_model(alice)
    with django_capture_on_commit_callbacks() as callbacks:
        actions.remove(user=alice, model_id=model.pk)
        assert len(files_of(model)) == 6
    assert len(callbacks) == 1


def test_nothing_goes_when_the_room_above_cannot_let_go(alice, settings, django_capture_on_commit_callbacks):
    settings.GALLERY_BEFORE_REMOVE = "tests.gallery.slots.refuse_to_release"
    model = make_model(alice)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(RuntimeError):
        actions.remove(user=alice, model_id=model.pk)
    assert Model.objects.filter(pk=model.pk).exists()
    assert len(files_of(model)) == 6


def test_a_second_removal_finds_nothing(as_alice, alice):
    model = make_model(alice)
    as_alice.delete(f"/api/models/{model.pk}")
    assert as_alice.delete(f"/api/models/{model.pk}").status_code == 404
    with pytest.raises(NotFound):
        actions.erase(model_id=model.pk)


def test_an_unfinished_model_can_be_thrown_away(as_alice, alice):
    model = make_model(alice, finished=False)
    assert as_alice.delete(f"/api/models/{model.pk}").status_code == 200
    assert slots.released == [model.pk]
    assert not Model.objects.exists()
