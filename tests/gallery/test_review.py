"""Staff look at what is newly published: afterwards, or, where the settings say so, before anybody else does."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from gallery import actions, moderation, sharing
from gallery.models import Decision, Model
from lumi import files
from lumi.accounts.models import Notice, User
from lumi.models import AuditEntry
from tests.factories import make_model, make_user


@pytest.fixture
def strict(settings: Any) -> None:
    """Nothing is shown before staff have looked at it."""
    settings.REVIEW_BEFORE_PUBLISHING = True


def is_laid_open(model: Model) -> bool:
    """Whether its files may be read by everybody."""
    return any(files.is_public(file["key"]) for file in model.files)


class TestAfterwards:
    def test_what_is_published_is_seen_and_waits_to_be_looked_at(self, alice: User, settled: Any) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        assert (model.moderation, model.review_since) == ("VISIBLE", model.published_at)
        assert set(Model.objects.in_gallery()) == {model}

    def test_an_approval_ends_the_wait_and_disturbs_nobody(self, alice: User, settled: Any) -> None:
        made = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        moderation.approve(model_id=made.pk, by=make_user(is_staff=True))
        model = Model.objects.get()
        assert (model.review_since, model.files) == (None, made.files)
        assert Decision.objects.get().verdict == "APPROVED"
        assert AuditEntry.objects.latest("number").action == "approved"
        assert not Notice.objects.exists()
        with pytest.raises(moderation.Settled):
            moderation.approve(model_id=made.pk)

    def test_nobody_waits_for_what_is_taken_back(self, alice: User, settled: Any) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        assert settled(sharing.unpublish, user=alice, model_id=model.pk).review_since is None

    @pytest.mark.parametrize(
        ("fields", "given", "again"),
        [
            ({"public": True}, {"name": "Dog"}, True),
            ({"public": True}, {"description": "A dog."}, True),
            ({"public": True, "moderation": "SUSPENDED"}, {"name": "Dog"}, True),
            ({"public": True}, {"name": "Cat", "description": ""}, False),
            ({"public": True}, {}, False),
            ({}, {"name": "Dog"}, False),
            ({"public": True, "moderation": "HIDDEN"}, {"name": "Dog"}, False),
        ],
    )
    def test_other_words_are_looked_at_again(
        self, alice: User, fields: dict[str, Any], given: dict[str, str], again: bool
    ) -> None:
        model = make_model(alice, name="Cat", **fields)
        edited = actions.edit(user=alice, model_id=model.pk, **given)
        assert edited.moderation == model.moderation
        assert (Model.objects.get().review_since is not None) == again

    def test_whoever_edits_again_does_not_lose_the_place_in_the_queue(self, alice: User) -> None:
        model = make_model(alice, public=True)
        first = actions.edit(user=alice, model_id=model.pk, name="Dog").review_since
        assert actions.edit(user=alice, model_id=model.pk, name="Cow").review_since == first


@pytest.mark.usefixtures("strict")
class TestBefore:
    def test_nobody_but_the_owner_sees_it(
        self, as_alice: APIClient, as_bob: APIClient, alice: User, settled: Any
    ) -> None:
        model = make_model(alice)
        with_files = settled(as_alice.post, path=f"/api/models/{model.pk}/publish").json()["data"]
        assert with_files["visibility"] == "PUBLIC"
        assert with_files["moderation"] == {"state": "PENDING", "reason": None, "decidedAt": None, "canAppeal": False}
        assert as_alice.get(f"/api/models/{model.pk}").status_code == 200
        assert as_bob.get(f"/api/models/{model.pk}").status_code == 404
        assert as_bob.get("/api/models/public")["X-Total-Count"] == "0"
        assert as_alice.get("/api/auth/me").json()["data"]["user"]["statistics"]["publicModelCount"] == 0
        assert not is_laid_open(Model.objects.get())

    def test_once_approved_everybody_does(self, as_bob: APIClient, alice: User, settled: Any) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        settled(moderation.approve, model_id=model.pk)
        shown = as_bob.get(f"/api/models/{model.pk}").json()["data"]
        assert shown["publishedAt"]
        assert is_laid_open(Model.objects.get())
        assert [notice.kind for notice in Notice.objects.filter(user=alice)] == ["MODEL_APPROVED"]

    def test_one_that_is_refused_is_hidden(self, as_alice: APIClient, alice: User, settled: Any) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        settled(moderation.hide, model_id=model.pk, reason="No.")
        standing = as_alice.get(f"/api/models/{model.pk}").json()["data"]["moderation"]
        assert (standing["state"], standing["canAppeal"]) == ("HIDDEN", True)
        settled(moderation.restore, model_id=model.pk)
        assert Model.objects.get().moderation == "VISIBLE"

    def test_taken_back_and_shared_anew_it_waits_anew(self, alice: User, settled: Any) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        model = settled(sharing.unpublish, user=alice, model_id=model.pk)
        assert (model.moderation, model.review_since) == ("VISIBLE", None)
        model = settled(sharing.publish, user=alice, model_id=model.pk)
        assert (model.moderation, model.review_since) == ("PENDING", model.published_at)
