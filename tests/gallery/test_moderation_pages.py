"""The moderation queue, and what its pages post."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from gallery import moderation, reports
from gallery.models import Appeal, Decision, Model
from lumi.accounts.models import Notice, Strike, User
from lumi.models import AuditEntry
from tests.factories import make_model, make_user
from tests.gallery import slots

QUEUE, ACT = "/admin/gallery/model/queue/", "/admin/gallery/model/act/"
JSON = {"Accept": "application/json"}
LOOK = ("gallery.view_model", "gallery.view_report", "gallery.view_appeal")


def desk(client, *permissions):
    """A member of staff with these permissions, speaking English, and their client."""
    person = make_user(is_staff=True, name="Mona")
    for name in permissions:
        app, codename = name.split(".")
        person.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label=app))
    client.force_login(person)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    client.person = person
    return client


@pytest.fixture
def moderator(client, db):
    return desk(client, *LOOK, "gallery.moderate_model", "accounts.suspend_user")


def new_model(**fields):
    """One that waits to be looked at."""
    return make_model(make_user(), public=True, **{"review_since": timezone.now(), **fields})


def reported_model(many=1, **fields):
    model = make_model(make_user(), public=True, **fields)
    for number in range(many):
        reports.report(user=make_user(), model_id=model.pk, reason="SPAM", text=f"words {number}")
    return model


def appealed_model(by=None, **fields):
    """Hidden, and its owner does not agree."""
    model = make_model(make_user(), public=True, **fields)
    moderation.hide(model_id=model.pk, reason="It is a weapon.", by=by)
    return reports.appeal(user=model.owner, model_id=model.pk, text="It is a spoon.")


def names_on(page):
    return [card.model.name for card in page.context["page"].cards]


def post(client, verb, *models, headers=JSON, **fields):
    return client.post(ACT, {"verb": verb, "model": [model.pk for model in models], **fields}, headers=headers)


# --- What the queue shows ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tab", ["", "?tab=new"])
def test_new_models_wait_in_line_the_oldest_first(moderator, tab):
    now = timezone.now()
    new_model(name="second", review_since=now)
    new_model(name="first", review_since=now - timedelta(days=1), moderation="PENDING")
    new_model(name="of a suspended person", moderation="SUSPENDED")
    make_model(make_user(), public=True, name="looked at")
    assert names_on(moderator.get(QUEUE + tab)) == ["first", "second"]


def test_reported_models_come_with_what_people_say_the_most_reported_first(moderator):
    reported_model(1, name="one")
    reported_model(3, name="three")
    page = moderator.get(f"{QUEUE}?tab=reported")
    assert names_on(page) == ["three", "one"]
    text = page.content.decode()
    assert "advertising or nonsense × 3" in text
    assert "words 2" in text


def test_hidden_models_come_with_the_decision_the_newest_first(moderator):
    for name in ("earlier", "later"):
        model = make_model(make_user(), public=True, name=name)
        moderation.hide(model_id=model.pk, reason=f"{name} was a weapon", by=moderator.person)
    page = moderator.get(f"{QUEUE}?tab=hidden")
    assert names_on(page) == ["later", "earlier"]
    assert "earlier was a weapon" in page.content.decode()
    assert "Mona" in page.content.decode()


def test_appeals_come_with_the_decision_and_the_owners_words(moderator):
    appealed_model(by=make_user(name="Olga"), name="spoon")
    page = moderator.get(f"{QUEUE}?tab=appeals")
    assert names_on(page) == ["spoon"]
    for words in ("It is a weapon.", "It is a spoon.", "Olga", 'value="grant"'):
        assert words in page.content.decode()


def test_whoever_has_decided_gets_no_button_for_the_appeal(moderator):
    appealed_model(by=moderator.person)
    page = moderator.get(f"{QUEUE}?tab=appeals").content.decode()
    assert 'value="grant"' not in page
    assert "nobody judges their own decision" in page


def test_a_card_shows_who_the_owner_is_and_the_prompt(moderator):
    model = new_model(name="Fox", description="for my desk")
    slots.known[model.pk] = {"requestId": "the-request", "prompt": "a fox that sits"}
    moderation.warn(model_id=model.pk, reason="Careful.")
    moderation.hide(model_id=make_model(model.owner, public=True).pk, reason="A weapon.")
    card = moderator.get(QUEUE).context["page"].cards[0]
    assert (card.strikes, card.hidden_before) == (1, 1)
    page = moderator.get(QUEUE).content.decode()
    for words in ("Fox", "for my desk", "a fox that sits", "/admin/generation/generationrequest/the-request/change/",
                  f"/admin/accounts/user/{model.owner_id}/change/", "cat-preview.png", "cat.png"):  # fmt: skip
        assert words in page


@pytest.mark.parametrize("tab", ["new", "reported", "hidden", "appeals"])
def test_an_empty_queue_says_so(moderator, tab):
    page = moderator.get(f"{QUEUE}?tab={tab}")
    assert page.status_code == 200
    assert f'<p class="empty">{page.context["tab"].empty}</p>' in page.content.decode().replace("&#x27;", "'")


# --- Pages and cost ---------------------------------------------------------------------------------------------------
def fill(tab, many, by):
    """Rows for a tab, of many people, with all that a card can show."""
    for number in range(many):
        if tab == "new":
            model = new_model(name=f"model {number}", review_since=timezone.now() + timedelta(seconds=number // 2))
            reports.report(user=make_user(), model_id=model.pk, reason="SPAM", text="no")
        elif tab == "reported":
            reported_model(2, name=f"model {number}")
        else:
            appealed_model(name=f"model {number}", by=by)


@pytest.mark.parametrize("tab", ["new", "reported", "hidden", "appeals"])
def test_a_full_page_costs_what_one_card_costs(moderator, tab, django_assert_num_queries):
    for many in (1, 23):
        fill(tab, many, make_user())
        moderator.get(QUEUE)
        with django_assert_num_queries(16):  # session, person, their two kinds of permissions; four counts; rows; seven
            page = moderator.get(f"{QUEUE}?tab={tab}")
    assert len(page.context["page"].cards) == 24


@pytest.mark.parametrize("tab", ["new", "reported", "hidden", "appeals"])
def test_pages_follow_each_other_without_a_gap_or_a_double(moderator, tab, monkeypatch):
    monkeypatch.setattr("gallery.admin.queue.PAGE", 2)
    fill(tab, 5, make_user())
    found, after, sizes = [], "", []
    while True:
        page = moderator.get(QUEUE, {"tab": tab, "after": after})
        found += names_on(page)
        sizes.append(len(names_on(page)))
        after = page.context["page"].next
        if not after:
            break
    assert sorted(found) == [f"model {number}" for number in range(5)]
    assert sizes == [2, 2, 1]


def test_what_waits_is_counted_up_to_a_hundred(moderator, monkeypatch):
    monkeypatch.setattr("gallery.admin.queue.MOST_COUNTED", 2)
    new_model()
    for _ in range(3):
        reported_model()
    many = {tab.name: many for tab, many in moderator.get(QUEUE).context["tabs"]}
    assert many == {"new": "1", "reported": "2+", "hidden": "0", "appeals": "0"}


@pytest.mark.parametrize("after", ["x", "x~y", "~", "2026-01-01~", "2026-01-01T00:00:00~y"])
def test_a_place_that_is_none_is_refused(moderator, after):
    assert moderator.get(QUEUE, {"after": after}).status_code == 400


# --- Who may what -----------------------------------------------------------------------------------------------------
def test_strangers_are_shown_the_door(client, as_bob, db):
    for answer in (client.get(QUEUE), client.post(ACT), as_bob.get(QUEUE)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    ("permissions", "tab", "status"),
    [
        ((), "new", 403),
        (("gallery.view_model",), "new", 200),
        (("gallery.view_model",), "reported", 403),
        (("gallery.view_model",), "appeals", 403),
        (LOOK, "appeals", 200),
        (LOOK, "nonsense", 403),
    ],
)
def test_a_tab_is_for_those_who_may_look(client, db, permissions, tab, status):
    assert desk(client, *permissions).get(f"{QUEUE}?tab={tab}").status_code == status


@pytest.mark.parametrize("verb", ["approve", "hide", "restore", "remove", "warn", "suspend"])
def test_whoever_may_only_look_changes_nothing(client, db, verb):
    model = new_model()
    looker = desk(client, *LOOK)
    assert f'value="{verb}"' not in looker.get(QUEUE).content.decode()
    refused = post(looker, verb, model, reason="no")
    assert refused.status_code == 403
    assert refused.json()["message"] == "You are not allowed to do this."
    assert not Decision.objects.exists()
    assert not AuditEntry.objects.exists()


def test_suspending_is_for_those_who_may(client, db):
    model = new_model()
    plain = desk(client, *LOOK, "gallery.moderate_model")
    assert 'value="suspend"' not in plain.get(QUEUE).content.decode()
    assert post(plain, "suspend", model, reason="no").status_code == 403
    assert User.objects.get(pk=model.owner_id).is_active


def test_moderators_of_the_group_may_all_of_it(client, db):
    person = make_user(is_staff=True)
    person.groups.add(Group.objects.get(name="moderator"))
    client.force_login(person)
    new_model()
    page = client.get(QUEUE).content.decode()
    for verb in ("approve", "hide", "remove", "warn", "suspend"):
        assert f'value="{verb}"' in page


# --- One verb ---------------------------------------------------------------------------------------------------------
def test_approving_is_one_call(moderator):
    model = new_model(name="Fox", moderation="PENDING")
    answer = post(moderator, "approve", model)
    assert answer.status_code == 200
    assert answer.json()["message"] == "“Fox” was approved."
    assert list(Model.objects.in_gallery()) == [model]
    decision = Decision.objects.get()
    assert (decision.verdict, decision.decided_by) == ("APPROVED", moderator.person)
    assert answer.json()["results"] == [
        {"id": model.pk, "status": 200, "message": "“Fox” was approved.", "seen": decision.pk, "ok": True}
    ]


def test_hiding_tells_the_owner_why_and_writes_down_who(moderator):
    model = reported_model()
    assert post(moderator, "hide", model, reason="  It is a weapon. ").status_code == 200
    assert not Model.objects.in_gallery().exists()
    assert Decision.objects.get().reason == "It is a weapon."
    line = AuditEntry.objects.get(action="hidden")
    assert line.actor == f"Mona ({moderator.person.pk})"
    assert (line.subject_id, line.reason) == (model.pk, "It is a weapon.")


def test_restoring_needs_no_reason(moderator):
    model = make_model(make_user(), public=True)
    moderation.hide(model_id=model.pk, reason="A weapon.")
    assert post(moderator, "restore", model).status_code == 200
    assert list(Model.objects.in_gallery()) == [model]


def test_removing_takes_it_away(moderator):
    model = new_model(name="Fox")
    assert post(moderator, "remove", model, reason="A weapon.").json()["message"] == "“Fox” was removed."
    assert not Model.objects.exists()
    assert Notice.objects.get().kind == "MODEL_REMOVED"


def test_warning_leaves_the_model_as_it_is(moderator):
    model = new_model()
    assert post(moderator, "warn", model, reason="Be careful.").status_code == 200
    assert Strike.objects.get().about == model.pk
    assert Model.objects.get().review_since is not None


def test_suspending_the_owner_takes_all_that_is_theirs_out_of_sight(moderator, django_capture_on_commit_callbacks):
    model = new_model()
    make_model(model.owner, public=True)
    with django_capture_on_commit_callbacks(execute=True):
        assert post(moderator, "suspend", model, reason="Weapons again.").status_code == 200
    assert not User.objects.get(pk=model.owner_id).is_active
    assert not Model.objects.in_gallery().exists()


@pytest.mark.parametrize("verb", ["hide", "remove", "warn", "suspend"])
@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_without_a_proper_reason_nothing_is_done(moderator, verb, reason):
    model = new_model()
    refused = post(moderator, verb, model, reason=reason)
    assert refused.status_code == 400
    assert "reason" in refused.json()["message"]
    assert Model.objects.get().moderation == "VISIBLE"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "fields", [{}, {"verb": "explode"}, {"verb": "approve"}, {"verb": "approve", "model": []}, {"model": "x"}]
)
def test_nonsense_is_refused(moderator, fields):
    for headers, kind in ((JSON, "application/json"), ({}, "text/html; charset=utf-8")):
        refused = moderator.post(ACT, fields, headers=headers)
        assert (refused.status_code, refused["Content-Type"]) == (400, kind)
    assert not AuditEntry.objects.exists()


def test_it_is_posted_and_not_got(moderator):
    assert moderator.get(ACT).status_code == 405


def test_it_comes_from_our_own_page(moderator):
    moderator.handler.enforce_csrf_checks = True
    assert post(moderator, "approve", new_model()).status_code == 403
    assert not Decision.objects.exists()


# --- Somebody else was faster -----------------------------------------------------------------------------------------
def test_what_somebody_else_has_just_decided_says_so_and_stays(moderator):
    model = new_model(name="Fox")
    moderation.approve(model_id=model.pk, by=make_user(name="Olga"))
    answer = post(moderator, "hide", model, reason="A weapon.", **{f"seen_{model.pk}": ""})
    assert answer.status_code == 409
    assert answer.json()["message"].startswith("“Fox” has just been decided by Olga: approved.")
    assert list(Model.objects.in_gallery()) == [model]
    again = {f"seen_{model.pk}": answer.json()["results"][0]["seen"]}
    assert post(moderator, "hide", model, reason="A weapon.", **again).status_code == 200


def test_what_is_gone_says_so(moderator):
    answer = post(moderator, "approve", Model(pk="nothing"))
    assert answer.status_code == 404
    assert answer.json()["message"] == "This model is gone: somebody has removed it."


def test_what_cannot_be_done_twice_says_so(moderator):
    model = new_model()
    assert post(moderator, "approve", model).status_code == 200
    twice = post(moderator, "approve", model)
    assert twice.status_code == 409
    assert "decided already" in twice.json()["message"]
    assert Decision.objects.count() == 1


# --- Several at once --------------------------------------------------------------------------------------------------
def test_of_several_each_is_told_and_one_does_not_hinder_the_others(moderator):
    first, second, gone = new_model(), new_model(), Model(pk="nothing")
    answer = post(moderator, "hide", first, gone, second, reason="Weapons.")
    assert answer.status_code == 200
    assert answer.json()["message"] == "2 of 3 were done."
    assert [result["ok"] for result in answer.json()["results"]] == [True, False, True]
    assert not Model.objects.in_gallery().exists()
    assert set(Decision.objects.values_list("reason", flat=True)) == {"Weapons."}


def test_where_nothing_was_done_the_status_says_so(moderator):
    assert post(moderator, "hide", Model(pk="one"), Model(pk="two"), reason="Weapons.").status_code == 404


@pytest.mark.parametrize("verb", ["warn", "suspend"])
def test_people_are_judged_one_at_a_time(moderator, verb):
    refused = post(moderator, verb, new_model(), new_model(), reason="Weapons.")
    assert refused.status_code == 400
    assert not Strike.objects.exists()


def test_too_many_at_once_are_refused(moderator):
    refused = post(moderator, "approve", *(Model(pk=f"model {number}") for number in range(101)))
    assert refused.status_code == 400
    assert refused.json()["message"] == "Please choose at most 100 at once for this."


# --- Without a script -------------------------------------------------------------------------------------------------
def test_a_form_without_a_reason_is_asked_for_one_then_leads_back(moderator):
    model = new_model(name="Fox")
    seen = {f"seen_{model.pk}": ""}
    asked = post(moderator, "hide", model, headers={}, next=f"{QUEUE}?tab=new", **seen)
    assert asked.status_code == 200
    assert "Why? The owner reads it." in asked.content.decode()
    assert not Decision.objects.exists()
    empty = post(moderator, "hide", model, headers={}, sure="1", **seen)
    assert empty.status_code == 400
    assert "Please give a reason." in empty.content.decode()
    done = post(moderator, "hide", model, headers={}, sure="1", usual="A weapon.", next=f"{QUEUE}?tab=new", **seen)
    assert done.status_code == 302
    assert done["Location"] == f"{QUEUE}?tab=new"
    assert "“Fox” was hidden." in moderator.get(QUEUE).content.decode()
    assert Decision.objects.get().reason == "A weapon."


def test_own_words_count_before_the_usual_ones(moderator):
    post(moderator, "hide", new_model(), headers={}, sure="1", usual="A weapon.", reason="My words.")
    assert Decision.objects.get().reason == "My words."


def test_approving_by_a_form_is_one_click(moderator):
    model = new_model()
    assert post(moderator, "approve", model, headers={}).status_code == 302
    assert Model.objects.get().review_since is None


def test_a_form_tells_of_failures_on_the_page_that_it_leads_back_to(moderator):
    assert post(moderator, "approve", Model(pk="nothing"), headers={}).status_code == 302
    assert "This model is gone" in moderator.get(QUEUE).content.decode()


def test_nobody_is_led_to_another_site(moderator):
    done = post(moderator, "approve", new_model(), headers={}, next="https://elsewhere.example/")
    assert done["Location"] == QUEUE


# --- Appeals ----------------------------------------------------------------------------------------------------------
def answer(client, appeal, verdict, text="", headers=JSON):
    fields = {"verdict": verdict, "reason": text}
    return client.post(f"/admin/gallery/appeal/{appeal.pk}/answer/", fields, headers=headers)


@pytest.mark.parametrize(("verdict", "state", "shown"), [("grant", "GRANTED", True), ("refuse", "REFUSED", False)])
def test_an_appeal_is_answered(moderator, verdict, state, shown):
    appeal = appealed_model(by=make_user())
    said = answer(moderator, appeal, verdict, "We have looked at it again.")
    assert said.status_code == 200
    assert [result["id"] for result in said.json()["results"]] == [appeal.decision.model_id]
    appeal.refresh_from_db()
    assert (appeal.state, appeal.answer) == (state, "We have looked at it again.")
    assert Model.objects.in_gallery().exists() is shown


def test_whoever_has_decided_is_refused(moderator):
    appeal = appealed_model(by=moderator.person)
    assert answer(moderator, appeal, "grant", "Mine was right.").status_code == 403
    assert Appeal.objects.get().state == "OPEN"


def test_whoever_may_only_look_does_not_answer(client, db):
    appeal = appealed_model()
    looker = desk(client, *LOOK)
    page = looker.get(f"/admin/gallery/appeal/{appeal.pk}/change/")
    assert page.status_code == 200
    assert 'value="grant"' not in page.content.decode()
    assert answer(looker, appeal, "grant", "Yes.").status_code == 403
    assert Appeal.objects.get().state == "OPEN"


@pytest.mark.parametrize(
    ("verdict", "text", "status"), [("refuse", "", 400), ("maybe", "Yes.", 400), ("grant", "x" * 501, 400)]
)
def test_an_improper_answer_changes_nothing(moderator, verdict, text, status):
    appeal = appealed_model()
    assert answer(moderator, appeal, verdict, text).status_code == status
    assert Appeal.objects.get().state == "OPEN"


def test_an_appeal_that_is_not_there_cannot_be_answered(moderator):
    assert answer(moderator, Appeal(pk="nothing"), "grant").status_code == 404


def test_an_appeal_is_answered_by_a_form_on_its_page(moderator):
    appeal = appealed_model()
    address = f"/admin/gallery/appeal/{appeal.pk}/change/"
    assert 'value="grant"' in moderator.get(address).content.decode()
    assert answer(moderator, appeal, "grant", headers={}).status_code == 302
    assert 'value="grant"' not in moderator.get(address).content.decode()


def test_an_answer_is_posted(moderator):
    assert moderator.get(f"/admin/gallery/appeal/{appealed_model().pk}/answer/").status_code == 405
