"""`manage.py export_data` and `import_data`: a whole installation goes to another kind of database, and is the same."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection

from gallery.models import Model
from generation.models import JobEvent
from lumi import audit, clock, files
from lumi.accounts.models import User
from lumi.instance import exporting, tables
from lumi.instance.tables import Table
from lumi.models import AuditEntry, DoomedFile
from tests.factories import make_user
from tests.journeys.stack import ROOT, make_database
from tests.lumi import household
from tests.lumi.console import failing, run, script

HISTORY = {"lumi.auditentry", "lumi.audithead"}  # to export and to import are lines of it


# --- Between installations --------------------------------------------------------------------------------------------


class Installation:
    """One with a database, a storage and processes of its own."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        folder.mkdir()
        if database.startswith("mysql"):
            make_database(database)
        own = {"DATABASE_URL": database, "LUMI_DATA_DIR": str(folder), "REDIS_URL": "", "CELERY_BROKER_URL": ""}
        self.environment = os.environ | own | {"DJANGO_SETTINGS_MODULE": "lumi.settings"}
        self.run("manage.py", "migrate", "-v", "0")

    def run(self, *words: str) -> str:
        """What a process prints; it must end well."""
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def house(self, verb: str) -> str:
        """See `household`."""
        return self.run("-m", "tests.lumi.household", verb)

    def export(self, path: Path) -> Any:
        """What the archive says of itself."""
        return json.loads(self.run("manage.py", "export_data", str(path), "--json"))

    def load(self, path: Path) -> Any:
        """The same, from the other side."""
        return json.loads(self.run("manage.py", "import_data", str(path), "--json"))


def database_called(name: str, folder: Path) -> str:
    """A database of the kind that these tests run on."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("mysql"):
        return f"sqlite:///{folder / name}.sqlite3"
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}_{name}"))


def test_to_sqlite_and_back_every_row_and_file_is_the_same(tmp_path: Path) -> None:
    """From the database that these tests run on (MariaDB in its pass) to SQLite, and from there into a third one."""
    first = Installation(tmp_path / "first", database_called("first", tmp_path))
    first.house("fill")
    told = first.export(tmp_path / "one.zip")
    assert [name for name, table in told["tables"].items() if not table["rows"]] == []

    second = Installation(tmp_path / "second", f"sqlite:///{tmp_path / 'second'}.sqlite3")
    second.house("renumber")
    assert second.load(tmp_path / "one.zip")["checksum"] == told["checksum"]
    proof = json.loads(second.house("prove"))
    again = second.export(tmp_path / "two")
    assert same(told, again)

    third = Installation(tmp_path / "third", database_called("third", tmp_path))
    assert third.load(tmp_path / "two")["checksum"] == again["checksum"]
    assert same(again, third.export(tmp_path / "three.zip"))
    other_proof = json.loads(third.house("prove"))

    assert files_of(first) == files_of(second) == files_of(third)
    assert proof["first_permission"] > other_proof["first_permission"]  # numbers differ, names do not
    for each, lines in ((proof, 5), (other_proof, 8)):  # three and an export and an import; an export, an import, …
        assert each["audit"] == lines
        assert each["numbers_go_on"]
        assert each["rights_of_group"] == ["moderate_model", "operate_jobs", "view_user"]
        assert len(each["rights_of_boss"]) == 2


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two archives hold the same rows, but for what was written down of them, and the same files."""
    rows, others = ({name: table for name, table in each["tables"].items() if name not in HISTORY}
                    for each in (one, other))  # fmt: skip
    return rows == others and one["files"] == other["files"] and one["migrations"] == other["migrations"]


def files_of(installation: Installation) -> dict[str, bytes]:
    """What lies in its storage."""
    root = installation.folder / "files"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- In one process ---------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(transactional_db: None) -> None:
    """A house in this database."""
    household.fill()


def wipe() -> None:
    """An empty installation: migrated, nobody in it, no file."""
    call_command("flush", verbosity=0, interactive=False)
    shutil.rmtree(default_storage.location, ignore_errors=True)  # type: ignore[attr-defined]


def is_empty() -> bool:
    """Whether anything is left of an import."""
    rows = any(table.rows.exists() for table in tables.tables() if table.name not in tables.MADE_BY_MIGRATIONS)
    stored = any(path.is_file() for path in Path(default_storage.location).rglob("*"))  # type: ignore[attr-defined]
    return not (rows or stored or DoomedFile.objects.exists())


def export(path: Path) -> Path:
    """An archive."""
    run("export_data", str(path))
    return path


@pytest.mark.usefixtures("filled")
class TestExport:
    def test_tells_what_is_in_it_and_warns(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("export_data", str(tmp_path / "out.zip"))
        said = capsys.readouterr()
        assert f"rows in {len(tables.tables())} tables, 21 files" in said.out
        assert "It holds hashes of passwords" in said.err

    @pytest.mark.parametrize("name", ["out.zip", "out"])
    def test_is_for_its_owners_eyes_only(self, tmp_path: Path, name: str) -> None:
        path = export(tmp_path / name)
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if name == "out.zip" else 0o700)
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.rglob("*") if each.is_file()} <= {0o600}

    @pytest.mark.parametrize("name", ["out.zip", "out"])
    def test_overwrites_nothing(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("mine")
        assert "is there already" in failing("export_data", str(tmp_path / name))[1]
        assert (tmp_path / name).read_text() == "mine"
        assert not AuditEntry.objects.filter(action="exported").exists()

    @pytest.mark.parametrize("name", ["out.zip", "out"])
    def test_leaves_nothing_where_files_are_lost(self, tmp_path: Path, name: str) -> None:
        key = Model.objects.exclude(files=[]).first().files[1]["key"]  # type: ignore[union-attr]
        default_storage.delete(key)
        reason = failing("export_data", str(tmp_path / name))[1]
        assert f"1 file(s) that rows own are not in the storage, the first of them {key}" in reason
        assert list(tmp_path.glob("out*")) == []

    def test_may_be_told_that_files_are_lost(self, tmp_path: Path) -> None:
        default_storage.delete(User.objects.get(email="alice@example.com").avatar)
        told = script("export_data", str(tmp_path / "out.zip"), "--allow-missing")
        assert told["files"]["missing"] == 1
        wipe()
        assert script("import_data", str(tmp_path / "out.zip"))["checksum"] == told["checksum"]

    def test_is_in_the_audit_trail_of_both(self, tmp_path: Path) -> None:
        run("export_data", str(tmp_path / "out.zip"), "--by", "Kim")
        wipe()
        run("import_data", str(tmp_path / "out.zip"), "--by", "Lee")
        assert [(line.action, line.actor) for line in audit.lines()][-2:] == [
            ("exported", "operator Kim"), ("imported", "operator Lee"),
        ]  # fmt: skip
        audit.verify()

    def test_is_one_moment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever writes while it reads is not in it, and does not wait for it."""
        events = JobEvent.objects.count()
        collect = exporting.migrations

        def write_meanwhile() -> list[str]:
            subprocess.run(
                [sys.executable, "-c", WRITER], cwd=ROOT, env=os.environ | database_of_this_test(), check=True
            )
            return collect()

        monkeypatch.setattr(exporting, "migrations", write_meanwhile)
        told = script("export_data", str(tmp_path / "out.zip"))
        assert told["tables"]["generation.jobevent"]["rows"] == events
        assert JobEvent.objects.count() == events + 1


WRITER = """
import django; django.setup()
from generation.models import JobEvent
JobEvent.objects.create(kind="image", job_id="late", event="COMPLETED")
"""


def database_of_this_test() -> dict[str, str]:
    """For another process."""
    name = connection.settings_dict["NAME"]
    url = os.environ.get("DATABASE_URL", "")
    own = urlunsplit(urlsplit(url)._replace(path=f"/{name}")) if url.startswith("mysql") else f"sqlite:///{name}"
    return {"DATABASE_URL": own, "DJANGO_SETTINGS_MODULE": "lumi.settings"}


@pytest.fixture
def archive(filled: None, tmp_path: Path) -> Iterator[Path]:
    """Of a house; this installation is empty now."""
    path = export(tmp_path / "out")
    wipe()
    yield path
    wipe()


def damage_manifest(path: Path) -> None:
    (path / "manifest.json").write_text("{}")


def lose_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def change_a_row(path: Path) -> None:
    table = path / "tables" / "accounts.user.jsonl"
    table.write_text(table.read_text().replace("alice@", "malice@"))


def lose_a_table(path: Path) -> None:
    (path / "tables" / "gallery.model.jsonl").unlink()


def change_a_file(path: Path) -> None:
    next(path.rglob("cat.obj")).write_bytes(b"other")


def lose_a_file(path: Path) -> None:
    next(path.rglob("cat.obj")).unlink()


def come_from_elsewhere(path: Path) -> None:
    edit(path, lambda manifest: manifest["migrations"].append("gallery.9999_future"))


def have_another_format(path: Path) -> None:
    edit(path, lambda manifest: manifest.update(format=2))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """The manifest, by somebody who knows JSON."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


class TestRefusals:
    """Whatever is wrong is said, and nothing is left of it."""

    @pytest.mark.parametrize(("harm", "said"), [
        (damage_manifest, "no sound manifest.json"), (lose_manifest, "no sound manifest.json"),
        (have_another_format, "format 2"), (come_from_elsewhere, "another version of Lumi"),
        (change_a_row, "accounts.user.jsonl is not what it was"), (lose_a_table, "gallery.model.jsonl cannot be read"),
        (change_a_file, "cat.obj is not what it was"), (lose_a_file, "cat.obj cannot be read"),
    ])  # fmt: skip
    def test_of_a_bad_archive(self, archive: Path, harm: Callable[[Path], None], said: str) -> None:
        harm(archive)
        assert said in failing("import_data", str(archive))[1]
        assert is_empty()

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", None])
    def test_of_what_is_none(self, transactional_db: None, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "in.zip"
        if content is not None:
            path.write_bytes(content)
        assert "cannot be read" in failing("import_data", str(path))[1]

    def test_of_a_torn_zip(self, filled: None, tmp_path: Path) -> None:
        """One byte of one file is another one."""
        path = export(tmp_path / "out.zip")
        with zipfile.ZipFile(path) as content:
            entry = next(each for each in content.infolist() if each.filename.endswith("accounts.user.jsonl"))
        torn = bytearray(path.read_bytes())
        torn[entry.header_offset + len(entry.filename) + 60] ^= 0xFF
        path.write_bytes(torn)
        wipe()
        assert "accounts.user.jsonl" in failing("import_data", str(path))[1]
        assert is_empty()

    def test_where_somebody_is(self, archive: Path) -> None:
        make_user()
        assert "not empty: accounts.user has rows" in failing("import_data", str(archive))[1]
        assert User.objects.count() == 1

    def test_where_a_file_is(self, archive: Path) -> None:
        key = next(str(path.relative_to(archive / "files")) for path in archive.rglob("cat.obj"))
        default_storage.save(key, ContentFile(b"mine"))
        assert "The storage is not empty" in failing("import_data", str(archive))[1]
        assert files.read(key) == b"mine"
        assert not DoomedFile.objects.exists()

    def test_of_a_key_that_leads_out(self, archive: Path) -> None:
        listed = archive / "files.jsonl"
        line = json.loads(listed.read_text().splitlines()[0])
        listed.write_text(json.dumps(line | {"key": "../../outside"}) + "\n")
        digest = exporting.sha256(listed.read_bytes()).hexdigest()
        edit(archive, lambda manifest: manifest["files"].update(sha256=digest))
        assert "leads out of the storage" in failing("import_data", str(archive))[1]
        assert is_empty()


class TestFailures:
    """In the middle of it: everything is taken back."""

    def test_the_database_gives_something_else_back(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read = Table.lines_of
        monkeypatch.setattr(Table, "lines_of", lambda table, keys: [line.upper() for line in read(table, keys)])
        assert "otherwise than they were written" in failing("import_data", str(archive))[1]
        assert is_empty()

    def test_the_storage_gives_something_else_back(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(default_storage._wrapped, "open", lambda key, mode="rb": ContentFile(b"noise"))  # type: ignore[attr-defined]
        assert "otherwise than it was written" in failing("import_data", str(archive))[1]
        assert is_empty()

    def test_a_row_that_the_database_refuses(self, archive: Path) -> None:
        """Two models of one id."""
        table = archive / "tables" / "gallery.model.jsonl"
        first = table.read_bytes().splitlines(keepends=True)[0]
        table.write_bytes(table.read_bytes() + first)
        digest = exporting.sha256(table.read_bytes()).hexdigest()
        edit(archive, lambda manifest: manifest["tables"]["gallery.model"].update(sha256=digest))
        assert "The database does not take it" in failing("import_data", str(archive))[1]
        assert is_empty()

    def test_a_killed_import_is_simply_begun_again(self, archive: Path) -> None:
        """What it left: files, and the notes on them."""
        for path in archive.rglob("cat.*"):
            key = str(path.relative_to(archive / "files"))
            default_storage.save(key, ContentFile(b"half"))
            DoomedFile.objects.create(key=key, after=clock.now())
        run("import_data", str(archive))
        assert not DoomedFile.objects.exists()
        assert script("check_storage")["missing"] == 0


class TestImport:
    @pytest.mark.parametrize("name", ["in.zip", "in"])
    def test_brings_everything_back(self, filled: None, tmp_path: Path, name: str) -> None:
        told = script("export_data", str(tmp_path / name))
        wipe()
        page = run("import_data", str(tmp_path / name))
        assert "All is here, and is the same." in page
        assert told["checksum"] in page
        assert same(told, script("export_data", str(tmp_path / "again.zip")))
        assert script("check_storage")["owned"] == told["files"]["count"]
        wipe()
