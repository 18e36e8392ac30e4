"""A suspended person's models are out of sight at once, and come back as they were; what staff have said of a model
itself is not touched by it, nor the other way round."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery import moderation, sharing
from gallery.models import Model
from lumi.accounts import conduct
from lumi.accounts.models import User
from tests.factories import make_model, make_user
from tests.gallery.parallel import at_once

REASON = "Again and again."


def states(owner: User) -> list[str]:
    """Of all their models, in order of creation."""
    return list(Model.objects.owned_by(owner).order_by("pk").values_list("moderation", flat=True))


def lying_wrong() -> list[Model]:
    """Models whose files are not where they belong."""
    return [model for model in Model.objects.all() if sharing.lies_wrong(model)]


@pytest.fixture
def suspend(settled: Any) -> Callable[[User], Any]:
    """Suspend a person, with all that follows."""
    return lambda person: settled(conduct.suspend, person_id=person.pk, reason=REASON)


@pytest.fixture
def restore(settled: Any) -> Callable[[User], Any]:
    """Restore a person, with all that follows."""
    return lambda person: settled(conduct.restore, person_id=person.pk)


class TestStates:
    def test_only_what_everybody_sees_is_suspended(self, alice: User, bob: User, suspend: Any, restore: Any) -> None:
        kinds: list[dict[str, Any]] = [
            {"public": True}, {}, {"finished": False},
            {"public": True, "moderation": "HIDDEN"}, {"public": True, "moderation": "PENDING"},
        ]  # fmt: skip
        made = [make_model(alice, **kind) for kind in kinds]
        other = make_model(bob, public=True)
        before = states(alice)
        suspend(alice)
        assert states(alice) == ["SUSPENDED", "VISIBLE", "VISIBLE", "HIDDEN", "PENDING"]
        assert set(Model.objects.in_gallery()) == {other}
        assert made[0] not in lying_wrong()
        restore(alice)
        assert states(alice) == before
        assert set(Model.objects.in_gallery()) == {made[0], other}

    @pytest.mark.parametrize(
        ("steps", "state"),
        [
            ("hide suspend unhide", "SUSPENDED"),
            ("hide suspend unhide return", "VISIBLE"),
            ("hide suspend return", "HIDDEN"),
            ("suspend hide return", "HIDDEN"),
            ("suspend hide return unhide", "VISIBLE"),
            ("suspend hide unhide", "SUSPENDED"),
            ("suspend hide unhide return", "VISIBLE"),
        ],
    )
    def test_both_can_be_said_in_any_order(
        self, alice: User, suspend: Any, restore: Any, settled: Any, steps: str, state: str
    ) -> None:
        model = make_model(alice, public=True)
        ways = {
            "hide": lambda: settled(moderation.hide, model_id=model.pk, reason=REASON),
            "unhide": lambda: settled(moderation.restore, model_id=model.pk),
            "suspend": lambda: suspend(alice),
            "return": lambda: restore(alice),
        }
        for step in steps.split():
            ways[step]()
            assert lying_wrong() == []
        assert states(alice) == [state]

    def test_what_is_approved_meanwhile_comes_with_its_owner(
        self, alice: User, suspend: Any, restore: Any, settled: Any, settings: Any
    ) -> None:
        settings.REVIEW_BEFORE_PUBLISHING = True
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        suspend(alice)
        settled(moderation.approve, model_id=model.pk)
        assert states(alice) == ["SUSPENDED"]
        restore(alice)
        assert states(alice) == ["VISIBLE"]
        assert lying_wrong() == []

    def test_what_deleted_people_have_left_stays(self, db: None, settled: Any) -> None:
        model = make_model(User.objects.tombstone(), public=True)
        settled(sharing.follow_owner, user_id=model.owner_id)
        settled(sharing.finish_interrupted)
        assert set(Model.objects.in_gallery()) == {model}


class TestAtOnceAndToTheEnd:
    def test_the_first_statement_takes_all_out_of_sight(self, alice: User) -> None:
        for _ in range(3):
            make_model(alice, public=True)
        suspended(alice)
        with CaptureQueriesContext(connection) as done:
            sharing.suspend_all(alice.pk)
        assert len(done) == 1
        assert states(alice) == ["SUSPENDED"] * 3

    def test_the_most_viewed_loses_its_links_first(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        made = [make_model(alice, public=True, view_count=views) for views in (1, 9, 4)]
        suspended(alice)
        moved: list[str] = []
        monkeypatch.setattr(sharing, "lay", moved.append)
        sharing.follow_owner(alice.pk)
        assert moved == [made[1].pk, made[2].pk, made[0].pk]

    @pytest.mark.parametrize("way", ["out", "back"])
    def test_what_was_cut_off_the_sweep_finishes(
        self, alice: User, suspend: Any, settled: Any, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        made = [make_model(alice, public=True) for _ in range(3)]
        if way == "back":
            suspend(alice)
        User.objects.filter(pk=alice.pk).update(suspended_at=timezone.now() if way == "out" else None)
        with monkeypatch.context() as broken:
            broken.setattr(default_storage, "copy", works_once(default_storage.copy))
            settled(sharing.follow_owner, user_id=alice.pk)
        assert len(Model.objects.in_gallery()) == (0 if way == "out" else 1)
        settled(sharing.finish_interrupted)
        assert states(alice) == (["SUSPENDED"] * 3 if way == "out" else ["VISIBLE"] * 3)
        assert lying_wrong() == []
        assert all(default_storage.exists(key) for model in Model.objects.all() for key in sharing.keys_of(model))
        assert {model.pk for model in Model.objects.all()} == {model.pk for model in made}

    @pytest.mark.parametrize(("moderation_", "owner_is"), [("VISIBLE", "suspended"), ("SUSPENDED", "active")])
    def test_the_sweep_finds_whose_owner_was_never_followed(
        self, alice: User, settled: Any, moderation_: str, owner_is: str
    ) -> None:
        model = make_model(alice, public=True, moderation=moderation_)
        if owner_is == "suspended":
            suspended(alice)
        settled(sharing.finish_interrupted)
        assert states(alice) == ["SUSPENDED" if owner_is == "suspended" else "VISIBLE"]
        model.refresh_from_db()
        assert not sharing.lies_wrong(model)

    def test_done_twice_it_changes_nothing(self, alice: User, suspend: Any, settled: Any) -> None:
        make_model(alice, public=True)
        suspend(alice)
        before = Model.objects.values().get()
        settled(sharing.follow_owner, user_id=alice.pk)
        settled(sharing.finish_interrupted)
        assert Model.objects.values().get() == before

    def test_where_nothing_is_left_to_do_the_sweep_asks_three_times(
        self, alice: User, suspend: Any, django_assert_num_queries: Any
    ) -> None:
        for _ in range(4):
            make_model(alice, public=True)
        suspend(alice)
        with django_assert_num_queries(3):
            sharing.finish_interrupted()


def suspended(person: User) -> None:
    """Without what follows."""
    User.objects.filter(pk=person.pk).update(suspended_at=timezone.now(), is_active=False)


def works_once(copy: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """A storage that fails with the second model; a model has six files."""
    done: list[str] = []

    def failing(key: str, to: str) -> None:
        done.append(key)
        if len(done) > 6:
            raise OSError("full")
        copy(key, to)

    return failing


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_nothing_is_published_past_a_suspension(self) -> None:
        person = make_user()
        models = [make_model(person) for _ in range(5)]
        share = [partial(sharing.publish, user=person, model_id=model.pk) for model in models]
        outcomes = at_once([*share, partial(conduct.suspend, person_id=person.pk, reason=REASON)])
        assert [one for one in outcomes if isinstance(one, Exception)] == []
        assert not Model.objects.in_gallery().exists()
        assert lying_wrong() == []

    def test_a_verdict_and_a_suspension_do_not_overwrite_each_other(self) -> None:
        person = make_user()
        models = [make_model(person, public=True) for _ in range(3)]
        hide = [partial(moderation.hide, model_id=model.pk, reason=REASON) for model in models]
        outcomes = at_once([*hide, partial(conduct.suspend, person_id=person.pk, reason=REASON)])
        assert outcomes == [None, None, None, True]
        assert states(person) == ["HIDDEN"] * 3
        at_once([partial(moderation.restore, model_id=models[0].pk), partial(conduct.restore, person_id=person.pk)])
        assert states(person) == ["VISIBLE", "HIDDEN", "HIDDEN"]
        assert lying_wrong() == []
