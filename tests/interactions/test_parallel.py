"""Row and counter cannot part, however many toggle at once."""

from functools import partial

import pytest

from gallery import actions
from gallery.models import Model
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.errors import NotFound
from tests.factories import make_model, make_user
from tests.gallery.parallel import THREADS, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def toggles(user, model, kind, times):
    for _ in range(times):
        toggle(user=user, model_id=model.pk, kind=kind)


def counters(model):
    model.refresh_from_db()
    rows = [ModelInteraction.objects.filter(model=model, type=kind).count() for kind in Kind]
    return [model.like_count, model.favorite_count], rows


@pytest.mark.parametrize(("times", "left"), [(5, 0), (4, 0)])
def test_one_person_toggling_on_eight_devices(times, left):
    model, person = make_model(make_user(), public=True), make_user()
    outcomes = at_once([partial(toggles, person, model, Kind.LIKE, times)] * THREADS)
    assert outcomes == [None] * THREADS
    assert counters(model) == ([left, 0], [left, 0])


def test_many_people_liking_and_keeping_one_model():
    model = make_model(make_user(), public=True)
    people = [make_user() for _ in range(THREADS)]
    outcomes = at_once([
        partial(toggles, person, model, list(Kind)[number % 2], 3 + number // 4) for number, person in enumerate(people)
    ])  # fmt: skip
    assert outcomes == [None] * THREADS
    assert counters(model) == ([2, 2], [2, 2])  # three times leaves it on, four times off


def test_two_models_in_opposite_orders_do_not_lock_each_other_out():
    first, second = make_model(make_user(), public=True), make_model(make_user(), public=True)

    def both(person, models):
        for model in models * 3:
            toggle(user=person, model_id=model.pk, kind=Kind.LIKE)

    people = [make_user() for _ in range(THREADS)]
    works = [partial(both, person, [first, second][:: 1 if n % 2 else -1]) for n, person in enumerate(people)]
    assert at_once(works) == [None] * THREADS
    assert counters(first) == counters(second) == ([THREADS, 0], [THREADS, 0])


def test_liking_what_is_being_thrown_away_leaves_nothing():
    owner = make_user()
    model = make_model(owner, public=True)
    likes = [partial(toggle, user=make_user(), model_id=model.pk, kind=Kind.LIKE) for _ in range(THREADS - 1)]
    outcomes = at_once([*likes, partial(actions.remove, user=owner, model_id=model.pk)])
    assert outcomes[-1] is None
    assert all(isinstance(outcome, tuple | NotFound) for outcome in outcomes[:-1])
    assert not Model.objects.exists()
    assert not ModelInteraction.objects.exists()
