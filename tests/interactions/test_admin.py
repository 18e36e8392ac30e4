"""Likes, to look at."""

import pytest

from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.accounts.models import User
from tests.factories import make_model, make_user

LIST = "/admin/interactions/modelinteraction/"


@pytest.fixture
def staff(client, db):
    client.force_login(User.objects.create_superuser("staff@example.com", "secret-42"))
    return client


@pytest.mark.parametrize("rows", [1, 12])
def test_the_list_costs_the_same_however_long(staff, rows, django_assert_num_queries):
    for _ in range(rows):
        toggle(user=make_user(), model_id=make_model(make_user(), public=True).pk, kind=Kind.LIKE)
    with django_assert_num_queries(6):  # session, person, count, rows, people, models
        page = staff.get(LIST)
    assert page.content.count(b'class="field-type"') == rows


def test_nothing_can_be_changed(staff, alice, bob):
    toggle(user=bob, model_id=make_model(alice, public=True).pk, kind=Kind.LIKE)
    row = ModelInteraction.objects.get()
    assert staff.get(f"{LIST}{row.pk}/change/").status_code == 200
    assert staff.post(f"{LIST}{row.pk}/change/", {"type": "FAVORITE"}).status_code == 403
    assert staff.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403
    assert ModelInteraction.objects.get().type == "LIKE"
