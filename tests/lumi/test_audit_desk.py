"""The audit trail as staff see it: to be read, searched and exported, changed by nobody; and that what is changed by
hand on a desk is in it."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from lumi import audit
from lumi.accounts.models import User
from lumi.models import AuditEntry
from tests.lumi.test_audit import run, write

TRAIL = "/admin/lumi/auditentry/"


@pytest.fixture
def boss(db: None) -> User:
    """May do everything that anybody may."""
    return User.objects.create_superuser("boss@example.com", "a long password", name="Boss")


@pytest.fixture
def desk(boss: User) -> Client:
    """The boss's browser."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(boss)
    return client


def numbers(page: Any) -> list[int]:
    """Of the lines on a page of the list."""
    return [entry.number for entry in page.context["cl"].result_list]


class TestDesk:
    def test_nobody_adds_changes_or_deletes(self, desk: Client) -> None:
        write(2)
        assert desk.get(f"{TRAIL}add/").status_code == 403
        assert desk.post(f"{TRAIL}add/", {"number": 3}).status_code == 403
        assert desk.post(f"{TRAIL}1/change/", {"reason": "none"}).status_code == 403
        assert desk.post(f"{TRAIL}1/delete/", {"post": "yes"}).status_code == 403
        desk.post(TRAIL, {"action": "delete_selected", "_selected_action": ["1", "2"], "post": "yes"})
        assert "delete_selected" not in desk.get(TRAIL).content.decode()
        assert audit.verify()[0] == 2

    def test_the_newest_line_comes_first(self, desk: Client) -> None:
        write(3)
        assert numbers(desk.get(TRAIL)) == [3, 2, 1]

    @pytest.mark.parametrize(
        ("term", "found"),
        [("m1", [2]), ("3", [3]), ("Boss (1)", [3, 2, 1]), ("m", []),
         ("Boss", []), ("no@example.com", []), (" ", [4, 3, 2, 1])],
    )  # fmt: skip
    def test_a_search_is_exact(self, desk: Client, term: str, found: list[int]) -> None:
        write(3)
        audit.record("changed", ("model", "x"))
        assert numbers(desk.get(TRAIL, {"q": term})) == found

    def test_a_person_is_found_by_address(self, desk: Client, bob: User) -> None:
        write(1)
        audit.record("warned", ("user", bob.pk))
        assert numbers(desk.get(TRAIL, {"q": "Bob@example.com"})) == [2]

    def test_filters_are_the_actions_that_lumi_knows(self, desk: Client) -> None:
        write(2)
        write(1, "hidden")
        assert numbers(desk.get(TRAIL, {"action": "hidden"})) == [3]
        assert numbers(desk.get(TRAIL, {"actor__exact": "Boss (1)", "action": "changed"})) == [2, 1]
        assert numbers(desk.get(TRAIL, {"action": "nonsense"})) == []

    def test_a_line_shows_what_was_there_before_and_after(self, desk: Client) -> None:
        audit.record(
            "changed", ("model", "m1"), before={"name": "<b>old</b>", "n": 1}, after={"name": "new", "tags": ["a"]}
        )
        page = desk.get(f"{TRAIL}1/change/").content.decode()
        assert '<th scope="row">name</th><td>&lt;b&gt;old&lt;/b&gt;</td><td>new</td>' in page
        assert '<th scope="row">n</th><td>1</td><td>–</td>' in page
        assert '<th scope="row">tags</th><td>–</td><td>[&quot;a&quot;]</td>' in page

    def test_the_export_is_what_the_command_prints(self, desk: Client) -> None:
        write(3)
        answer = desk.get(f"{TRAIL}export/")
        assert answer.streaming
        assert "attachment" in answer["Content-Disposition"]
        assert b"".join(answer.streaming_content).decode() == run("export")
        assert f"{TRAIL}export/" in desk.get(TRAIL).content.decode()

    @pytest.mark.parametrize("query", [{}, {"q": "m7"}, {"q": "boss@example.com"}, {"action": "changed"}])
    def test_the_list_is_few_queries(
        self, desk: Client, query: dict[str, str], django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        write(60)
        with django_assert_max_num_queries(9):
            assert desk.get(TRAIL, query).status_code == 200


class TestRolesAreAudited:
    """What a role may do is changed by hand: the trail shows which permission."""

    def permissions(self, *names: str) -> list[Permission]:
        return list(Permission.objects.filter(codename__in=names).order_by("codename"))

    def test_added_changed_and_deleted(self, desk: Client, boss: User) -> None:
        view, change = self.permissions("view_model", "change_model")[::-1]
        desk.post("/admin/auth/group/add/", {"name": "helper", "permissions": [view.pk]})
        group = Group.objects.get(name="helper")
        desk.post(f"/admin/auth/group/{group.pk}/change/", {"name": "helper", "permissions": [view.pk, change.pk]})
        desk.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
        added, changed, deleted = AuditEntry.objects.filter(subject_type="group").order_by("number")
        assert {line.subject_id for line in (added, changed, deleted)} == {str(group.pk)}
        assert {line.actor for line in (added, changed, deleted)} == {f"Boss ({boss.pk})"}
        assert added.after["permissions"] == ["view_model.gallery.model"]
        assert changed.before == {"permissions": ["view_model.gallery.model"]}
        assert changed.after["permissions"] == ["change_model.gallery.model", "view_model.gallery.model"]
        assert deleted.before["permissions"] == changed.after["permissions"]
        assert LogEntry.objects.count() == 3, "Django's own log has them as well"
