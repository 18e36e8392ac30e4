"""What staff decide about models: it is gone at once, it comes back whole, and nobody decides twice."""

from functools import partial
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from rest_framework.test import APIClient

from gallery import actions, moderation, reports, sharing
from gallery.models import Decision, Model, Moderation, Report
from interactions.models import ModelInteraction
from lumi import files
from lumi.accounts import conduct
from lumi.accounts.conduct import BadReason
from lumi.accounts.models import Notice, NoticeKind, Strike, User
from lumi.errors import Forbidden, LumiError, NotFound
from lumi.models import AuditEntry, DoomedFile
from lumi.process import acting_as
from tests.factories import make_model, make_user
from tests.gallery import onlookers
from tests.gallery.parallel import THREADS, at_once
from tests.lumi.test_matrix import PUBLIC_ROWS, ROWS, ask, caller

REASON = "It is a weapon."


def trail() -> list[tuple[str, str, str]]:
    """What the audit trail says of models: who, what, why."""
    lines = AuditEntry.objects.filter(subject_type="model").order_by("number")
    return list(lines.values_list("actor", "action", "reason"))


def notices(user: User) -> list[tuple[str, str, str]]:
    """What a person was told."""
    told = Notice.objects.filter(user=user).order_by("created_at", "pk")
    return list(told.values_list("kind", "name", "reason"))


@pytest.fixture
def moderator(db: None) -> User:
    """A member of staff."""
    return make_user(is_staff=True, name="Mo")


class TestGoneAtOnceAndBackWhole:
    @pytest.mark.parametrize("way", ["hidden", "suspended"])
    def test_from_every_endpoint_list_counter_and_link(
        self, way: str, alice: User, as_bob: APIClient, client: Client, settled: Any
    ) -> None:
        model = make_model(alice, public=True, view_count=7)
        make_model(make_user(), public=True)
        onlookers.enjoy(as_bob, model)
        old = onlookers.links(as_bob, model)
        before = onlookers.seen_by(as_bob, model)
        assert onlookers.opened(client, old) == {200, 206}
        down, up = {
            "hidden": (
                partial(moderation.hide, model_id=model.pk, reason=REASON),
                partial(moderation.restore, model_id=model.pk),
            ),
            "suspended": (
                partial(moderation.suspend_owner, model_id=model.pk, reason=REASON),
                partial(conduct.restore, person_id=alice.pk),
            ),
        }[way]

        settled(down)
        gone = onlookers.seen_by(as_bob, model)
        assert (gone["there"], gone["public models of its owner"]) == (404, 0)
        assert "NOT_FOUND" in str(gone["interactions"])
        assert [len(gone[path]) for path in onlookers.LISTS] == [1, 1, 1, 0, 0]
        assert [gone[f"total {path}"] for path in onlookers.LISTS] == ["1", "1", "1", "0", "0"]
        assert onlookers.opened(client, old) == {404}

        settled(up)
        assert onlookers.seen_by(as_bob, model) == before
        new = onlookers.links(as_bob, model)
        assert onlookers.opened(client, new) == {200, 206}
        assert not set(new) & set(old)
        assert ModelInteraction.objects.count() == 2
        assert not DoomedFile.objects.exists()

    @pytest.mark.parametrize("state", ["HIDDEN", "SUSPENDED", "PENDING"])
    @pytest.mark.parametrize("who", ["other", "nobody", "staff"])
    @pytest.mark.parametrize("route", PUBLIC_ROWS)
    def test_to_others_it_is_as_a_private_one(self, alice: User, route: str, who: str, state: str) -> None:
        model = make_model(alice, public=True, moderation=state)
        answer = ask(caller(who, alice), route, ROWS[route], {"model_id": model.pk})
        row = ROWS[route]
        assert answer.status_code == (row.nobody if who == "nobody" else row.other)

    def test_its_owner_still_sees_it_and_reads_why(self, as_alice: APIClient, alice: User, settled: Any) -> None:
        model = make_model(alice, public=True)
        settled(moderation.hide, model_id=model.pk, reason=REASON)
        shown = as_alice.get(f"/api/models/{model.pk}").json()["data"]
        assert shown["visibility"] == "PUBLIC"
        decided = shown["moderation"].pop("decidedAt")
        assert shown["moderation"] == {"state": "HIDDEN", "reason": REASON, "canAppeal": True}
        assert decided.endswith("Z")
        assert [one["moderation"]["state"] for one in as_alice.get("/api/models/me").json()["data"]] == ["HIDDEN"]

    def test_files_that_can_not_be_moved_hinder_nothing_and_the_sweep_moves_them(
        self, alice: User, client: Client, settled: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = make_model(alice, public=True)
        address = str(files.url(model.key("glb")))
        with monkeypatch.context() as broken:
            broken.setattr(default_storage, "copy", full)
            settled(moderation.hide, model_id=model.pk, reason=REASON)
        assert Model.objects.get().moderation == "HIDDEN"
        assert onlookers.opened(client, [address]) == {200, 206}
        settled(sharing.finish_interrupted)
        assert onlookers.opened(client, [address]) == {404}
        assert not Model.objects.laid_open().exists()


def full(*_: str) -> None:
    """A storage without room."""
    raise OSError


class TestVerdicts:
    def test_hiding_is_written_down_and_told(self, alice: User, moderator: User, settled: Any) -> None:
        model = make_model(alice, public=True, name="Cat")
        report = reports.report(user=make_user(), model_id=model.pk, reason="WEAPON")
        with acting_as("Mo (1)"):
            settled(moderation.hide, model_id=model.pk, reason=f"  {REASON} ", by=moderator)
        model.refresh_from_db()
        assert (model.moderation, model.review_since, model.open_reports) == ("HIDDEN", None, 0)
        decision = Decision.objects.get()
        assert (decision.verdict, decision.reason, decision.decided_by) == ("HIDDEN", REASON, moderator)
        report.refresh_from_db()
        assert (report.state, report.is_open, report.decided_by) == ("UPHELD", None, "Mo (1)")
        assert notices(alice) == [("MODEL_HIDDEN", "Cat", REASON)]
        assert trail()[-1] == ("Mo (1)", "hidden", REASON)
        line = AuditEntry.objects.latest("number")
        assert (line.before, line.after) == ({"moderation": "VISIBLE"}, {"moderation": "HIDDEN"})

    def test_restoring_is_written_down_and_told(self, alice: User, moderator: User, settled: Any) -> None:
        model = make_model(alice, public=True, name="Cat")
        settled(moderation.hide, model_id=model.pk, reason=REASON)
        settled(moderation.restore, model_id=model.pk, reason="We were wrong.", by=moderator)
        assert reports.newest_decision(model).verdict == "RESTORED"
        assert notices(alice)[-1] == ("MODEL_RESTORED", "Cat", "We were wrong.")
        assert [action for _, action, _ in trail()] == ["hidden", "restored"]

    @pytest.mark.parametrize(
        ("fields", "verb"),
        [
            ({"moderation": "HIDDEN"}, "hide"),
            ({"moderation": "HIDDEN"}, "approve"),
            ({}, "approve"),
            ({}, "restore"),
            ({"moderation": "SUSPENDED"}, "restore"),
        ],
    )
    def test_the_second_of_two_is_told_so_and_changes_nothing(
        self, alice: User, fields: dict[str, str], verb: str
    ) -> None:
        model = make_model(alice, public=True, **fields)
        before = Model.objects.values().get()
        reason = {} if verb == "approve" else {"reason": REASON}
        with pytest.raises(moderation.Settled):
            getattr(moderation, verb)(model_id=model.pk, **reason)
        assert Model.objects.values().get() == before
        assert not Decision.objects.exists()
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("verb", ["hide", "remove", "warn", "suspend_owner"])
    @pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
    def test_a_reason_is_given(self, alice: User, verb: str, reason: str) -> None:
        model = make_model(alice, public=True)
        with pytest.raises(BadReason):
            getattr(moderation, verb)(model_id=model.pk, reason=reason)
        assert Model.objects.get().moderation == "VISIBLE"

    @pytest.mark.parametrize("verb", ["approve", "hide", "restore", "remove", "warn", "suspend_owner"])
    def test_what_is_not_there_is_not_found(self, db: None, verb: str) -> None:
        reason = {} if verb == "approve" else {"reason": REASON}
        with pytest.raises(NotFound):
            getattr(moderation, verb)(model_id="nothing", **reason)

    def test_a_hidden_one_stays_hidden_when_it_is_shared_anew(self, alice: User, client: Client, settled: Any) -> None:
        model = make_model(alice, public=True)
        settled(moderation.hide, model_id=model.pk, reason=REASON)
        for verb in (sharing.unpublish, sharing.publish):
            model = settled(verb, user=alice, model_id=model.pk)
        assert (model.visibility, model.moderation, model.review_since) == ("PUBLIC", "HIDDEN", None)
        assert not any(files.is_public(file["key"]) for file in model.files)

    def test_a_private_one_can_be_hidden(self, alice: User, settled: Any) -> None:
        model = make_model(alice)
        settled(moderation.hide, model_id=model.pk, reason=REASON)
        settled(moderation.restore, model_id=model.pk)
        assert Model.objects.get().files == model.files


class TestBeyondTheModel:
    def test_removing_takes_rows_and_files_and_says_so(self, alice: User, as_bob: APIClient, settled: Any) -> None:
        model = make_model(alice, public=True, name="Cat")
        onlookers.enjoy(as_bob, model)
        reports.report(user=make_user(), model_id=model.pk, reason="SPAM")
        settled(moderation.remove, model_id=model.pk, reason=REASON)
        assert not Model.objects.exists()
        assert not Report.objects.exists()
        assert not any(default_storage.exists(file["key"]) for file in model.files)
        assert notices(alice) == [("MODEL_REMOVED", "Cat", REASON)]
        assert trail()[-1] == ("", "removed", REASON)
        with pytest.raises(NotFound):
            moderation.remove(model_id=model.pk, reason=REASON)

    def test_a_warning_is_about_the_model_and_leaves_it(self, alice: User) -> None:
        model = make_model(alice, public=True)
        moderation.warn(model_id=model.pk, reason=REASON)
        strike = Strike.objects.get()
        assert (strike.user, strike.about, strike.reason) == (alice, model.pk, REASON)
        assert Model.objects.get().moderation == "VISIBLE"

    def test_whoever_is_suspended_is_not_suspended_again(self, alice: User, settled: Any) -> None:
        model = make_model(alice, public=True)
        settled(moderation.suspend_owner, model_id=model.pk, reason=REASON)
        with pytest.raises(moderation.Settled):
            moderation.suspend_owner(model_id=model.pk, reason=REASON)

    def test_nobody_suspends_themselves(self, moderator: User) -> None:
        with pytest.raises(Forbidden):
            moderation.suspend_owner(model_id=make_model(moderator).pk, reason=REASON, by=moderator)

    @pytest.mark.parametrize("verb", [moderation.warn, moderation.suspend_owner])
    def test_what_a_deleted_person_has_left_has_no_owner(self, db: None, verb: Any) -> None:
        model = make_model(User.objects.tombstone(), public=True)
        with pytest.raises(moderation.NobodyThere):
            verb(model_id=model.pk, reason=REASON)

    def test_it_can_be_hidden_all_the_same_and_nobody_is_told(self, db: None, settled: Any) -> None:
        model = make_model(User.objects.tombstone(), public=True)
        settled(moderation.hide, model_id=model.pk, reason=REASON)
        settled(moderation.restore, model_id=model.pk)
        assert Model.objects.get().moderation == "VISIBLE"
        assert not Notice.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_of_many_moderators_decides(self) -> None:
        owner = make_user()
        model = make_model(owner, public=True)
        hide, staff = partial(moderation.hide, model_id=model.pk, reason=REASON), make_user(is_staff=True)
        outcomes = at_once([partial(hide, by=staff)] * THREADS)
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, moderation.Settled) for outcome in outcomes) == THREADS - 1
        assert Decision.objects.count() == Notice.objects.count() == AuditEntry.objects.count() == 1
        assert files_lie_right(model)

    def test_hiding_wins_over_publishing_and_back(self) -> None:
        owner = make_user()
        model = make_model(owner)
        share = [partial(verb, user=owner, model_id=model.pk) for verb in (sharing.publish, sharing.unpublish)]
        outcomes = at_once([partial(moderation.hide, model_id=model.pk, reason=REASON), *share * 3])
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception) and not known(outcome)] == []
        model.refresh_from_db()
        assert model.moderation == Moderation.HIDDEN
        assert files_lie_right(model)

    def test_a_report_and_a_verdict_leave_no_report_open_or_one_that_counts(self) -> None:
        model = make_model(make_user(), public=True)
        works = [partial(reports.report, user=make_user(), model_id=model.pk, reason="SPAM") for _ in range(4)]
        outcomes = at_once([*works, partial(moderation.hide, model_id=model.pk, reason=REASON)])
        assert all(isinstance(outcome, Report | NotFound) for outcome in outcomes[:-1])
        model.refresh_from_db()
        assert model.moderation == Moderation.HIDDEN
        assert model.open_reports == Report.objects.filter(is_open=True).count() == 0
        assert files_lie_right(model)

    def test_removing_and_deciding_at_once_is_safe(self) -> None:
        owner = make_user()
        model = make_model(owner, public=True)
        reason = {"model_id": model.pk, "reason": REASON}
        works = [partial(verb, **reason) for verb in (moderation.remove, moderation.hide)] * 2
        outcomes = at_once([*works, partial(actions.remove, user=owner, model_id=model.pk)])
        assert [outcome for outcome in outcomes if outcome is not None and not known(outcome)] == []
        assert not Model.objects.exists()
        assert not any(default_storage.exists(file["key"]) for file in model.files)


def known(outcome: Any) -> bool:
    """A refusal in words."""
    return isinstance(outcome, LumiError)


def files_lie_right(model: Model) -> bool:
    """All of them, and nowhere else."""
    model.refresh_from_db()
    there = all(default_storage.exists(key) for key in sharing.keys_of(model))
    return there and not sharing.lies_wrong(model)


def test_every_kind_of_notice_that_is_told_here_is_known() -> None:
    assert {outcome.notice for outcome in moderation.OUTCOMES.values()} < set(NoticeKind)
