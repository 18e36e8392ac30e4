"""What is known afterwards: the vendor's ledger, the database, the files, and the crashes that were meant."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

JOBS = {"image": "image_generation_jobs", "model": "model_generation_jobs"}
BUSY = ("IMAGE_PENDING", "IMAGE_GENERATING", "MODEL_PENDING", "MODEL_GENERATING")
NOT_MOVES = ("STALE_WRITE", "PROGRESS")  # noted, and nothing moved
Row = dict[str, Any]


def connect(url: str) -> Any:
    """A connection of our own, by DATABASE_URL."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(parts.path, timeout=20, isolation_level=None)
    import MySQLdb  # noqa: PLC0415  not there where only SQLite is used

    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return MySQLdb.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
        charset="utf8mb4",
        autocommit=True,
        **options,
    )


def job_of(reference: str) -> str:
    """A reference is the job's id and the number of the attempt."""
    return reference.rpartition("-")[0]


class Books:
    """Questions; each opens a connection of its own, so that the database may go away in between."""

    def __init__(self, url: str, ledger: Path, record: Path, files: Path) -> None:
        self.url, self.ledger, self.record, self.files = url, ledger, record, files

    def rows(self, sql: str) -> list[Row]:
        """The rows of a statement, by column."""
        with closing(connect(self.url)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    # --- Ledger and record --------------------------------------------------------------------------------------------

    def charges(self) -> list[Row]:
        """What the vendor was paid for."""
        return [json.loads(line) for line in self.ledger.read_text(encoding="utf-8").splitlines()]

    def charges_by_job(self) -> Counter[str]:
        """How often each job was paid for."""
        return Counter(job_of(charge["reference"]) for charge in self.charges())

    def crashes(self) -> list[Row]:
        """At which points, over which jobs."""
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    # --- The database -------------------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, Row]:
        """All jobs of both kinds by id."""
        columns = "id, status, stage, error_code, attempt, recoveries, lease_until, holder, fence"
        found = {}
        for kind, table in JOBS.items():
            for row in self.rows(f"SELECT {columns} FROM {table}"):
                found[row["id"]] = row | {"kind": kind}
        return found

    def requests(self) -> list[Row]:
        """All requests."""
        return self.rows("SELECT id, owner_id, status, prompt, error_code, lease_until FROM generation_requests")

    def calls(self) -> list[Row]:
        """The journal."""
        return self.rows("SELECT reference, job_id, kind, outcome, answered_at FROM provider_calls")

    def events(self, job_id: str) -> list[Row]:
        """A job's history."""
        return self.rows(f"SELECT * FROM job_events WHERE job_id = '{job_id}' ORDER BY id")

    def under_way(self) -> list[str]:
        """What is not at rest: jobs that have not ended, requests that are busy."""
        jobs = [f"{job['kind']} {job['id']} {job['stage']}" for job in self.jobs().values() if job["stage"] != "ENDED"]
        busy = [f"request {row['id']} {row['status']}" for row in self.requests() if row["status"] in BUSY]
        return jobs + busy

    # --- Invariants ---------------------------------------------------------------------------------------------------

    def paid_twice(self) -> list[str]:
        """Jobs that the vendor charged more than once."""
        return [job for job, times in self.charges_by_job().items() if times > 1]

    def unfounded(self) -> list[str]:
        """Jobs that are complete and were never paid for."""
        paid = self.charges_by_job()
        return [job["id"] for job in self.jobs().values() if job["status"] == "COMPLETED" and not paid[job["id"]]]

    def in_submit_window(self) -> set[str]:
        """References that were charged, or may have been, and whose answer was never written down."""
        return {call["reference"] for call in self.calls() if call["answered_at"] is None}

    def unknown(self) -> list[str]:
        """Jobs whose outcome nobody knows."""
        return [job["id"] for job in self.jobs().values() if job["error_code"] == "OUTCOME_UNKNOWN"]

    def stale_writes_applied(self) -> list[Row]:
        """Moves that were written by an older claim after a newer one had moved the job: there must be none."""
        newest: dict[str, int] = {}
        applied = []
        moves = f"event NOT IN ({', '.join(repr(word) for word in NOT_MOVES)})"
        for row in self.rows(f"SELECT job_id, event, fence FROM job_events WHERE {moves} ORDER BY id"):
            if row["fence"] < newest.get(row["job_id"], 0):
                applied.append(row)
            newest[row["job_id"]] = max(row["fence"], newest.get(row["job_id"], 0))
        return applied

    def owned(self) -> set[str]:
        """Keys of files that a row holds."""
        keys = {row["key"] for row in self.rows("SELECT `key` FROM generated_images WHERE `key` <> ''")}
        for row in self.rows("SELECT files FROM models"):
            listed = json.loads(row["files"]) if isinstance(row["files"], str) else row["files"] or []
            keys |= {file["key"] for file in listed}
        return keys

    def doomed(self) -> set[str]:
        """Keys of files that are to be deleted unless they are owned in time."""
        return {row["key"] for row in self.rows("SELECT `key` FROM doomed_files")}

    def on_disk(self) -> set[str]:
        """Keys of all files there are."""
        return {str(path.relative_to(self.files)) for path in self.files.rglob("*") if path.is_file()}

    def lost_files(self) -> set[str]:
        """Files that a row holds and the disk does not."""
        return self.owned() - self.on_disk()

    def orphans(self) -> set[str]:
        """Files that nobody owns and no doom covers."""
        return self.on_disk() - self.owned() - self.doomed()

    def hasten_doom(self) -> None:
        """As if the hour were over for all files that are not owned: the next sweep deletes them."""
        self.rows("UPDATE doomed_files SET `after` = '2020-01-01 00:00:00'")
