"""Likes and favourites: who may, what changes, what is listed."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from gallery.models import Model
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from tests.factories import make_model, make_user
from tests.gallery import slots

KINDS = [("like", "liked", "likeCount", "like_count"), ("favorite", "favorited", "favoriteCount", "favorite_count")]
SHELVES = [("/api/me/liked-models", Kind.LIKE), ("/api/me/favorited-models", Kind.FAVORITE)]


def names(response):
    assert response.status_code == 200, response.content
    return [model["name"] for model in response.json()["data"]]


@pytest.mark.parametrize(("path", "flag", "count", "column"), KINDS)
def test_a_toggle_turns_on_and_off(as_alice, as_bob, alice, path, flag, count, column):
    model = make_model(alice, public=True)
    answers = [
        client.post(f"/api/models/{model.pk}/{path}").json()["data"] for client in (as_bob, as_alice, as_bob, as_bob)
    ]
    assert answers == [{flag: True, count: 1}, {flag: True, count: 2}, {flag: False, count: 1}, {flag: True, count: 2}]
    counters = Model.objects.values("like_count", "favorite_count").get()
    assert counters.pop(column) == ModelInteraction.objects.count() == 2
    assert list(counters.values()) == [0]


def test_the_two_kinds_are_strangers(as_bob, alice):
    model = make_model(alice, public=True)
    status = f"/api/models/{model.pk}/interaction-status"
    seen = [as_bob.get(status).json()["data"]]
    for path in ("like", "favorite", "like"):
        as_bob.post(f"/api/models/{model.pk}/{path}")
        seen.append(as_bob.get(status).json()["data"])
    assert [(one["liked"], one["favorited"]) for one in seen] == [
        (False, False),
        (True, False),
        (True, True),
        (False, True),
    ]


def test_one_persons_feelings_are_not_anothers(as_alice, as_bob, alice):
    model = make_model(alice, public=True)
    as_bob.post(f"/api/models/{model.pk}/like")
    assert as_alice.get(f"/api/models/{model.pk}/interaction-status").json()["data"] == {
        "liked": False,
        "favorited": False,
    }


@pytest.mark.parametrize(("verb", "path"), [("post", "like"), ("post", "favorite"), ("get", "interaction-status")])
@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        ({}, {"alice": 200, "bob": 404, "nobody": 401}),
        ({"public": True}, {"alice": 200, "bob": 200, "nobody": 401}),
        ({"public": True, "moderation": "HIDDEN"}, {"alice": 200, "bob": 404, "nobody": 401}),
        ({"finished": False}, {"alice": 409, "bob": 404, "nobody": 401}),
    ],
)
@pytest.mark.parametrize("who", ["alice", "bob", "nobody"])
def test_who_may(request, alice, verb, path, kind, statuses, who):
    client = request.getfixturevalue(f"as_{who}")
    model = make_model(alice, **kind)
    response = getattr(client, verb)(f"/api/models/{model.pk}/{path}")
    expected = 200 if (path, statuses[who]) == ("interaction-status", 409) else statuses[who]
    assert response.status_code == expected, response.content
    if expected != 200:
        code = {401: "UNAUTHORIZED", 404: "NOT_FOUND", 409: "INVALID_STATE"}[expected]
        assert response.json()["data"]["code"] == code
        assert not ModelInteraction.objects.exists()
        assert Model.objects.get().like_count == 0


def test_a_counter_that_was_wrong_never_becomes_negative(as_bob, bob, alice):
    model = make_model(alice, public=True)
    toggle(user=bob, model_id=model.pk, kind=Kind.LIKE)
    Model.objects.update(like_count=0)
    assert as_bob.post(f"/api/models/{model.pk}/like").json()["data"] == {"liked": False, "likeCount": 0}
    assert Model.objects.get().like_count == 0


@pytest.mark.parametrize(("shelf", "kind"), SHELVES)
def test_a_shelf_is_the_most_recently_liked_first(as_bob, as_alice, bob, alice, shelf, kind):
    models = [make_model(alice, public=True, name=str(number)) for number in range(5)]
    for number in (3, 0, 4, 1, 2):
        toggle(user=bob, model_id=models[number].pk, kind=kind)
    toggle(user=bob, model_id=models[0].pk, kind=kind)
    toggle(user=bob, model_id=models[0].pk, kind=kind)  # once more: it is the most recent now
    other = Kind.FAVORITE if kind == Kind.LIKE else Kind.LIKE
    toggle(user=alice, model_id=models[0].pk, kind=kind)
    toggle(user=bob, model_id=make_model(alice, public=True).pk, kind=other)
    assert names(as_bob.get(shelf)) == ["0", "2", "1", "4", "3"]
    assert as_bob.get(shelf)["X-Total-Count"] == "5"
    assert names(as_alice.get(shelf)) == ["0"]


@pytest.mark.parametrize(("shelf", "kind"), SHELVES)
def test_ties_are_broken_and_pages_do_not_overlap(as_bob, bob, alice, shelf, kind):
    for number in range(5):
        toggle(user=bob, model_id=make_model(alice, public=True, name=str(number)).pk, kind=kind)
    ModelInteraction.objects.update(created_at=datetime(2026, 1, 31, tzinfo=UTC))
    pages = [names(as_bob.get(shelf, {"limit": 2, "offset": offset})) for offset in (0, 2, 4)]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]


@pytest.mark.parametrize(("shelf", "kind"), SHELVES)
def test_a_shelf_shows_only_what_may_still_be_seen(as_bob, bob, alice, shelf, kind):
    seen, withdrawn, hidden, gone = [make_model(alice, public=True, name=name) for name in ("a", "b", "c", "d")]
    own = make_model(bob, name="own")
    for model in (seen, withdrawn, hidden, gone, own):
        toggle(user=bob, model_id=model.pk, kind=kind)
    Model.objects.filter(pk=withdrawn.pk).update(visibility="PRIVATE", published_at=None)
    Model.objects.filter(pk=hidden.pk).update(moderation="HIDDEN")
    gone.delete()
    response = as_bob.get(shelf)
    assert names(response) == ["own", "a"]
    assert response["X-Total-Count"] == "2"


@pytest.mark.parametrize(("shelf", "kind"), SHELVES)
def test_a_shelf_shows_whole_models_and_hides_what_is_the_owners(as_bob, bob, alice, shelf, kind):
    theirs, own = make_model(alice, public=True), make_model(bob)
    for model in (theirs, own):
        toggle(user=bob, model_id=model.pk, kind=kind)
        slots.known[model.pk] = {"requestId": "r", "sourceImageId": "i", "generationJob": None}
    shown = {model["id"]: model for model in as_bob.get(shelf).json()["data"]}
    assert (shown[theirs.pk]["requestId"], shown[own.pk]["requestId"]) == (None, "r")
    assert shown[theirs.pk]["user"] == {"id": alice.pk, "name": "Alice"}
    assert len(shown[theirs.pk]) == 27


@pytest.mark.parametrize("rows", [1, 12])
@pytest.mark.parametrize(("shelf", "kind"), SHELVES)
def test_a_shelf_costs_the_same_however_long(as_bob, bob, shelf, kind, rows, django_assert_num_queries):
    for _ in range(rows):
        toggle(user=bob, model_id=make_model(make_user(), public=True).pk, kind=kind)
    toggle(user=bob, model_id=make_model(bob).pk, kind=kind)
    with django_assert_num_queries(5):  # person, count, rows, what generation and staff know of bob's own
        assert len(names(as_bob.get(shelf))) == rows + 1


@pytest.mark.parametrize("shelf", [shelf for shelf, _kind in SHELVES])
def test_a_shelf_needs_a_token(as_nobody, shelf):
    assert as_nobody.get(shelf).status_code == 401


@pytest.mark.parametrize("liked", [False, True])
def test_what_a_toggle_costs(as_bob, bob, alice, liked, django_assert_num_queries):
    model = make_model(alice, public=True)
    if liked:
        toggle(user=bob, model_id=model.pk, kind=Kind.LIKE)
    with django_assert_num_queries(6 if liked else 7):  # person, savepoint, lock, delete, (insert,) counter, release
        as_bob.post(f"/api/models/{model.pk}/like")


def test_the_database_keeps_one_row_a_person_model_and_kind(bob, alice):
    model = make_model(alice, public=True)
    ModelInteraction.objects.create(user=bob, model=model, type=Kind.LIKE)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelInteraction.objects.create(user=bob, model=model, type=Kind.LIKE)
