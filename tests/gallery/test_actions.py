"""The verbs that generation and staff use, and what the database itself refuses."""

import pytest
from django.db import IntegrityError, transaction

from gallery import actions, facts, sharing
from gallery.models import Model
from lumi.errors import Conflict, Forbidden, InvalidState, NotFound
from tests.factories import make_model

OBJ = {"role": "obj", "key": "models/a/b/cat.obj", "size": 7}
GLB = {"role": "glb", "key": "models/a/b/cat.glb", "size": 9}
PREVIEW = {"role": "preview", "key": "models/a/b/cat.png", "size": 5}


@pytest.fixture
def unfinished(alice):
    return actions.create_unfinished(owner=alice, name="Cat")


def test_a_model_in_the_making_is_private_and_empty(unfinished):
    unfinished.refresh_from_db()
    assert (unfinished.visibility, unfinished.source, unfinished.files) == ("PRIVATE", "AI_GENERATED", [])
    assert (unfinished.format, unfinished.size, unfinished.completed_at) == ("", None, None)


@pytest.mark.parametrize(
    ("files", "format", "size"),
    [([GLB, OBJ, PREVIEW], "OBJ", 7), ([PREVIEW, GLB], "GLB", 9)],
)
def test_completing_sets_the_main_file_and_forgets_errors(unfinished, files, format, size):
    actions.fail(model_id=unfinished.pk, error_code="TIMEOUT")
    before = Model.objects.get(pk=unfinished.pk)
    actions.complete(model_id=unfinished.pk, files=files)
    after = Model.objects.get(pk=unfinished.pk)
    assert (after.format, after.size, after.files) == (format, size, files)
    assert after.completed_at is not None
    assert (after.failed_at, after.error_code) == (None, "")
    assert after.updated_at > before.updated_at


def test_completing_needs_a_model_among_the_files(unfinished):
    with pytest.raises(ValueError, match="preview"):
        actions.complete(model_id=unfinished.pk, files=[PREVIEW])
    assert not Model.objects.get(pk=unfinished.pk).is_finished


def test_a_failure_is_remembered_until_somebody_tries_again(unfinished):
    actions.fail(model_id=unfinished.pk, error_code="TIMEOUT")
    failed = Model.objects.get(pk=unfinished.pk)
    assert (failed.error_code, failed.failed_at is not None) == ("TIMEOUT", True)
    actions.reopen(model_id=unfinished.pk)
    reopened = Model.objects.get(pk=unfinished.pk)
    assert (reopened.error_code, reopened.failed_at) == ("", None)
    assert unfinished.updated_at < failed.updated_at < reopened.updated_at


@pytest.mark.parametrize(
    "verb",
    [
        lambda pk: actions.complete(model_id=pk, files=[GLB]),
        lambda pk: actions.fail(model_id=pk, error_code="TIMEOUT"),
        lambda pk: actions.reopen(model_id=pk),
    ],
)
def test_a_finished_or_missing_model_cannot_be_made_again(alice, verb):
    model = make_model(alice)
    before = Model.objects.filter(pk=model.pk).values().get()
    for model_id in (model.pk, "0"):
        with pytest.raises(Conflict):
            verb(model_id)
    assert Model.objects.filter(pk=model.pk).values().get() == before


def test_publishing_anew_dates_anew_and_twice_changes_nothing(alice):
    model = make_model(alice)
    first = sharing.publish(user=alice, model_id=model.pk)
    again = sharing.publish(user=alice, model_id=model.pk)
    assert (again.published_at, again.updated_at) == (first.published_at, first.updated_at)
    hidden = sharing.unpublish(user=alice, model_id=model.pk)
    assert (hidden.visibility, hidden.published_at) == ("PRIVATE", None)
    assert sharing.unpublish(user=alice, model_id=model.pk).updated_at == hidden.updated_at
    assert sharing.publish(user=alice, model_id=model.pk).published_at > first.published_at


def test_only_a_finished_model_is_published(alice, unfinished):
    with pytest.raises(InvalidState):
        sharing.publish(user=alice, model_id=unfinished.pk)


@pytest.mark.parametrize("fields", [{"completed_at": None}, {"published_at": None}])
def test_the_database_refuses_a_public_model_that_is_not_finished_and_dated(alice, fields):
    model = make_model(alice, public=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Model.objects.filter(pk=model.pk).update(**fields)


@pytest.mark.parametrize("verb", [actions.edit, sharing.publish, sharing.unpublish, actions.remove])
@pytest.mark.parametrize(("public", "error"), [(True, Forbidden), (False, NotFound)])
def test_only_the_owner_may(alice, bob, verb, public, error):
    model = make_model(alice, public=public)
    before = Model.objects.filter(pk=model.pk).values().get()
    with pytest.raises(error):
        verb(user=bob, model_id=model.pk)
    assert Model.objects.filter(pk=model.pk).values().get() == before


def test_statistics_are_of_one_person(alice, bob):
    make_model(alice, finished=False)
    make_model(alice, public=True, like_count=3)
    make_model(alice, public=True, like_count=2, moderation="HIDDEN")
    make_model(bob, public=True, like_count=50)
    assert (facts.count_models(alice), facts.count_public_models(alice), facts.count_received_likes(alice)) == (3, 1, 5)


def test_statistics_of_somebody_new_are_nought(alice):
    assert (facts.count_models(alice), facts.count_public_models(alice), facts.count_received_likes(alice)) == (0, 0, 0)
