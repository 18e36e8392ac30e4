"""The audit trail: a chain that shows each change, gap and cut; written by many at once; changed by nobody."""

import ast
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from lumi import audit, pages
from lumi.accounts.models import User
from lumi.models import AuditEntry, AuditHead
from lumi.process import acting_as


def write(count: int = 5, action: str = "changed") -> list[AuditEntry]:
    """So many lines."""
    with acting_as("Boss (1)"):
        return [
            audit.record(action, ("model", f"m{n}"), reason="因为", after={"n": n, "é": [1.5, None]})
            for n in range(count)
        ]


def rehashed(number: int, **fields: Any) -> None:
    """Somebody who knows how changes a line and makes its hash fit."""
    AuditEntry.objects.filter(pk=number).update(**fields)
    entry = AuditEntry.objects.get(pk=number)
    AuditEntry.objects.filter(pk=number).update(hash=audit.hash_of(entry))


def rewrite_from(number: int) -> None:
    """Somebody who knows how makes the whole rest fit, the end too."""
    before = AuditEntry.objects.get(pk=number - 1).hash if number > 1 else ""
    for entry in audit.lines(number):
        rehashed(entry.number, previous_hash=before)
        before = AuditEntry.objects.get(pk=entry.number).hash
    AuditHead.objects.update(hash=before)


# --- The chain --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestChain:
    def test_a_line_says_who_did_what_to_what_when_and_why(self) -> None:
        with acting_as("Boss (1)"):
            audit.record("hidden", ("model", "m1"), reason="copied", before={"a": 1}, after={"a": 2})
        entry = AuditEntry.objects.get()
        assert (entry.number, entry.actor, entry.action, entry.reason) == (1, "Boss (1)", "hidden", "copied")
        assert (entry.subject_type, entry.subject_id) == ("model", "m1")
        assert (entry.before, entry.after) == ({"a": 1}, {"a": 2})
        assert entry.at

    def test_each_line_holds_the_one_before(self) -> None:
        lines = write()
        assert [line.number for line in lines] == [1, 2, 3, 4, 5]
        assert [line.previous_hash for line in lines] == ["", *(line.hash for line in lines[:-1])]
        assert audit.verify() == (5, audit.Mark(5, lines[-1].hash))

    def test_a_trail_without_lines_is_whole(self) -> None:
        assert audit.verify() == (0, audit.Mark(0, ""))

    def test_a_line_goes_with_its_transaction(self) -> None:
        write(1)
        with transaction.atomic():
            write(1)
            transaction.set_rollback(True)
        write(1)
        assert audit.verify()[0] == 2

    def test_a_database_that_was_emptied_begins_again(self) -> None:
        AuditHead.objects.all().delete()
        write(2)
        assert audit.verify()[0] == 2

    def test_it_is_read_a_page_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        write(5)
        monkeypatch.setattr(pages.each, "__defaults__", (2,))
        with django_assert_num_queries(4):
            assert [line.number for line in audit.lines()] == [1, 2, 3, 4, 5]
        assert [line.number for line in audit.lines(2, 4)] == [2, 3, 4]


DAMAGE: dict[str, tuple[Callable[[], Any], str]] = {
    "a word": (lambda: AuditEntry.objects.filter(pk=3).update(actor="Nobody"), "line 3 was changed"),
    "a time": (lambda: AuditEntry.objects.filter(pk=1).update(at="2020-01-01T00:00Z"), "line 1 was changed"),
    "what was there after": (lambda: AuditEntry.objects.filter(pk=5).update(after={"n": 9}), "line 5 was changed"),
    "a hash": (lambda: AuditEntry.objects.filter(pk=2).update(hash="0" * 64), "line 2 was changed"),
    "the first line, made to fit": (lambda: rehashed(1, reason="none"), "line 1 was changed"),
    "a line, made to fit": (lambda: rehashed(3, reason="none"), "line 3 was changed"),
    "a line and its successor, made to fit": (
        lambda: (rehashed(3, reason="none"), rehashed(4, previous_hash=AuditEntry.objects.get(pk=3).hash)),
        "line 4 was changed",
    ),
    "the last line, made to fit": (lambda: rehashed(5, reason="none"), "line 5 was changed"),
    "the first line's forerunner": (lambda: rehashed(1, previous_hash="0" * 64), "line 1 was changed"),
    "a line taken out": (lambda: AuditEntry.objects.filter(pk=2).delete(), "line 2 is missing"),
    "two lines taken out": (lambda: AuditEntry.objects.filter(pk__in=[2, 3]).delete(), "lines 2 to 3 are missing"),
    "the first line taken out": (lambda: AuditEntry.objects.filter(pk=1).delete(), "line 1 is missing"),
    "the end cut off": (lambda: AuditEntry.objects.filter(pk__gte=4).delete(), "lines 4 to 5 are missing: cut off"),
    "the last line cut off": (lambda: AuditEntry.objects.filter(pk=5).delete(), "line 5 is missing: cut off"),
    "all cut off": (lambda: AuditEntry.objects.all().delete(), "lines 1 to 5 are missing: cut off"),
    "numbers moved": (
        lambda: (AuditEntry.objects.filter(pk=2).delete(), AuditEntry.objects.filter(pk=3).update(number=2)),
        "line 2 was changed",
    ),
    "a line of one's own": (
        lambda: AuditEntry.objects.create(number=6, at="2020-01-01T00:00Z", action="x", subject_type="y"),
        "line 6 was not written by Lumi",
    ),
    "the end forgotten": (lambda: AuditHead.objects.all().delete(), "the end of the trail is missing"),
    "the end moved back": (lambda: AuditHead.objects.update(number=F("number") - 1), "line 4 was changed"),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("damage", DAMAGE)
def test_each_damage_is_found_and_its_line_named(damage: str) -> None:
    write(5)
    break_it, complaint = DAMAGE[damage]
    break_it()
    with pytest.raises(audit.Altered, match=complaint):
        audit.verify()
    with pytest.raises(CommandError, match=complaint) as error:
        call_command("audit", "verify")
    assert error.value.returncode == 1


@pytest.mark.django_db
class TestNoted:
    """What was noted elsewhere finds out even those who can write all of the database."""

    def test_a_trail_that_has_grown_since_is_whole(self) -> None:
        noted = audit.Mark(2, write(2)[-1].hash)
        write(3)
        assert audit.verify(noted=noted)[0] == 5

    def test_a_trail_written_anew_is_found_out(self) -> None:
        noted = audit.Mark(4, write(5)[3].hash)
        AuditEntry.objects.filter(pk=2).update(reason="none")
        rewrite_from(2)
        assert audit.verify()[0] == 5, "by itself it fits"
        with pytest.raises(audit.Altered, match="line 4 is not the one that was noted"):
            audit.verify(noted=noted)

    def test_a_trail_that_was_emptied_is_found_out(self) -> None:
        noted = audit.Mark(5, write(5)[-1].hash)
        AuditEntry.objects.all().delete()
        AuditHead.objects.update(number=0, hash="")
        write(2)
        with pytest.raises(audit.Altered, match="line 5 was noted, and is not among the lines 1 to 2"):
            audit.verify(noted=noted)

    def test_since_looks_at_the_rest_only(self) -> None:
        write(5)
        AuditEntry.objects.filter(pk=2).update(reason="none")
        assert audit.verify(first=4)[0] == 2
        with pytest.raises(audit.Altered, match="line 2 was changed"):
            audit.verify(first=2)

    @pytest.mark.parametrize(("first", "complaint"), [(7, "line 6 is missing"), (4, "line 3 is missing")])
    def test_since_needs_the_line_before(self, first: int, complaint: str) -> None:
        write(5)
        AuditEntry.objects.filter(pk=3).delete()
        with pytest.raises(audit.Altered, match=complaint):
            audit.verify(first=first)

    def test_since_the_next_line_there_is_nothing_to_see(self) -> None:
        write(5)
        assert audit.verify(first=6)[0] == 0


# --- Many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_nested", [False, True])
def test_lines_of_many_at_once_have_no_gap_and_nobody_is_turned_away(is_nested: bool) -> None:
    """Each in a transaction of its own that has locked something before, as the verbs have."""
    owners, rounds = [User.objects.create_user(f"p{n}@example.com") for n in range(6)], 10
    together = Barrier(len(owners))

    def change(owner: User) -> None:
        with transaction.atomic():
            if is_nested:
                User.objects.select_for_update().get(pk=owner.pk)
                User.objects.filter(pk=owner.pk).update(name=F("name"))
            audit.record("changed", ("user", owner.pk))

    def work(owner: User) -> None:
        try:
            together.wait(30)
            for _ in range(rounds):
                change(owner)
        finally:
            connection.close()

    AuditHead.objects.get_or_create(pk=1)
    with ThreadPoolExecutor(len(owners)) as pool:
        list(pool.map(work, owners))
    assert audit.verify()[0] == len(owners) * rounds
    assert {AuditEntry.objects.filter(subject_id=owner.pk).count() for owner in owners} == {rounds}


@pytest.mark.django_db(transaction=True)
def test_the_very_first_lines_at_once() -> None:
    """An emptied database, whose end of the trail they all have to make."""
    AuditHead.objects.all().delete()
    together = Barrier(4)

    def work(_: int) -> None:
        try:
            together.wait(30)
            audit.record("changed", ("thing", ""))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert audit.verify()[0] == 4


@pytest.mark.django_db(transaction=True)
def test_a_trail_that_grows_while_it_is_verified_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    write(3)
    found = audit.lines

    def grown(*args: Any) -> Iterator[AuditEntry]:
        yield from found(*args)
        write(2)

    monkeypatch.setattr(audit, "lines", grown)
    assert audit.verify()[0] == 3
    monkeypatch.undo()
    assert audit.verify()[0] == 5


# --- The command ------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    """What `manage.py audit` prints."""
    out = io.StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
class TestCommand:
    def test_verify_prints_what_is_to_be_noted(self) -> None:
        last = write(3)[-1]
        said = run("verify")
        assert "3 lines are whole" in said
        assert f"--noted 3:{last.hash}" in said
        write(1)
        assert "4 lines are whole" in run("verify", "--noted", f"3:{last.hash}")
        assert "1 lines are whole" in run("verify", "--since", "4")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("verify", "--noted", "3"), ("verify", "--noted", "3:xyz"), ("verify", "--noted", f"x:{'0' * 64}"),
            ("verify", "--noted", f"0:{'0' * 64}"), ("verify", "--since", "0"), ("verify", "--since", "-1"),
            ("export", "--from", "one"), ("list", "--limit", str(2**63)), ("shred",), (),
        ],
    )  # fmt: skip
    def test_what_it_does_not_understand_it_says(self, arguments: tuple[str, ...]) -> None:
        with pytest.raises(CommandError):
            call_command("audit", *arguments)

    def test_an_export_can_be_verified_without_lumi(self) -> None:
        write(4)
        before = ""
        for number, line in enumerate(run("export").splitlines(), start=1):
            facts = json.loads(line)
            digest = facts.pop("hash")
            text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            assert hashlib.sha256(text.encode()).hexdigest() == digest
            assert (facts["number"], facts["previous_hash"]) == (number, before)
            before = digest
        assert before == AuditHead.objects.get().hash

    def test_an_export_may_begin_later_and_go_to_a_file(self, tmp_path: Path) -> None:
        write(4)
        call_command("audit", "export", "--from", "3", "--out", str(tmp_path / "audit.jsonl"))
        lines = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["number"] for line in lines] == [3, 4]
        with pytest.raises(CommandError, match="exists"):
            call_command("audit", "export", "--out", str(tmp_path / "audit.jsonl"))
        assert len((tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == 2

    def test_the_list_is_narrowed(self) -> None:
        write(2)
        with acting_as("Eve \x1b[31m(2)"):
            audit.record("hidden", ("model", "m9"))
        assert run("list").index("hidden") < run("list").index("changed")
        assert "\x1b" not in run("list")
        assert "hidden" not in run("list", "--action", "changed")
        assert "m1" not in run("list", "--subject", "m0")
        assert "m9" not in run("list", "--actor", "Boss (1)")
        assert "m0" not in run("list", "--limit", "2")


# --- The words --------------------------------------------------------------------------------------------------------


def recorded() -> set[str]:
    """The actions that the sources write down, where they name one."""
    found: set[str] = set()
    for room in ("lumi", "gallery", "generation", "interactions"):
        for path in (settings.BASE_DIR / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.record", "note", "announce"):
                    found |= {one.value for one in node.args[:2] if isinstance(one, ast.Constant)}
    return found


def test_each_action_has_a_word_for_the_filter() -> None:
    assert recorded()
    assert recorded() - set(audit.ACTIONS) == set()
