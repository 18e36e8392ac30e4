"""Lists: what is in them, in which order, and what they cost."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import make_model
from tests.gallery import slots

DAY = datetime(2026, 1, 31, tzinfo=UTC)


def names(response):
    assert response.status_code == 200, response.content
    return [model["name"] for model in response.json()["data"]]


def walk(client, path, size=2):
    """All names, page by page."""
    total = int(client.get(path)["X-Total-Count"])
    found = []
    for offset in range(0, total, size):
        found += names(client.get(path, {"limit": size, "offset": offset}))
    return found


@pytest.fixture
def gallery(alice, bob):
    """Five public models with every tie there can be, and whatever must not be seen."""
    for number, (views, likes, day) in enumerate([(1, 5, 0), (9, 5, 0), (9, 0, 1), (9, 5, 1), (0, 1, 0)]):
        published = DAY + timedelta(days=day)
        owner = alice if number % 2 else bob
        make_model(owner, public=True, name=str(number), view_count=views, like_count=likes, published_at=published)
    make_model(alice, name="private", view_count=99)
    make_model(alice, name="unfinished", finished=False)
    make_model(bob, name="hidden", public=True, moderation="HIDDEN", view_count=99)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", ["3", "2", "4", "1", "0"]),
        ("?sortBy=latest", ["3", "2", "4", "1", "0"]),
        ("?sortBy=popular", ["3", "2", "1", "0", "4"]),
        ("?sortBy=liked", ["3", "1", "0", "4", "2"]),
    ],
)
def test_the_gallery_is_ordered_and_pages_do_not_overlap(gallery, as_nobody, query, order):
    response = as_nobody.get(f"/api/models/public{query}")
    assert names(response) == order
    assert response["X-Total-Count"] == "5"
    found = []
    for offset in range(0, 6, 2):
        joint = "&" if query else "?"
        found += names(as_nobody.get(f"/api/models/public{query}{joint}limit=2&offset={offset}"))
    assert found == order


def test_everybody_sees_the_same_gallery(gallery, as_alice, as_bob, as_nobody):
    lists = [names(client.get("/api/models/public")) for client in (as_alice, as_bob, as_nobody)]
    assert lists[0] == lists[1] == lists[2] != []


def test_an_offset_beyond_the_end_is_an_empty_page_with_the_total(gallery, as_nobody):
    response = as_nobody.get("/api/models/public?offset=50")
    assert (names(response), response["X-Total-Count"]) == ([], "5")


def test_own_models_are_the_callers_newest_first(as_alice, as_bob, alice, bob):
    made = [make_model(alice, name=str(n), finished=bool(n % 2), public=n == 3) for n in range(4)]
    type(made[0]).objects.filter(pk__in=[made[1].pk, made[2].pk]).update(created_at=DAY)
    make_model(bob, name="bob's", public=True)
    assert walk(as_alice, "/api/models/me") == ["3", "0", "2", "1"]
    assert as_alice.get("/api/models/me")["X-Total-Count"] == "4"
    assert names(as_bob.get("/api/models/me")) == ["bob's"]


def test_own_models_need_a_token(as_nobody):
    assert as_nobody.get("/api/models/me").status_code == 401


@pytest.mark.parametrize("rows", [1, 12])
@pytest.mark.parametrize(
    ("who", "path", "queries"),
    [
        ("nobody", "/api/models/public", 3),  # count, ids, rows
        ("bob", "/api/models/public", 4),  # and the token's person
        ("alice", "/api/models/public", 6),  # and what generation and staff know of her own
        ("alice", "/api/models/me", 6),
        ("bob", "/api/models/me", 3),  # no ids, no rows
    ],
)
def test_a_page_costs_the_same_however_long(who, path, queries, rows, request, alice, django_assert_num_queries):
    client = request.getfixturevalue(f"as_{who}")
    for _ in range(rows):
        make_model(alice, public=True)
    with django_assert_num_queries(queries):
        response = client.get(path)
    assert len(names(response)) == (0 if (who, path) == ("bob", "/api/models/me") else rows)


def test_the_room_above_is_asked_once_a_page_and_only_about_the_readers_own(as_alice, alice, bob):
    own = [make_model(alice, public=True) for _ in range(3)]
    make_model(bob, public=True)
    as_alice.get("/api/models/public")
    assert [sorted(ids) for ids in slots.asked] == [sorted(model.pk for model in own)]
