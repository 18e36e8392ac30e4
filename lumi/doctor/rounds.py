"""The list: what is looked at, in the order in which it is told."""

from functools import partial

from lumi.doctor import clockwork, database, machine, storage
from lumi.doctor.findings import Examination

AT_DATABASE = "Look at DATABASE_URL, at the server, and at the way there."
AT_REDIS = "Look at REDIS_URL and CELERY_BROKER_URL, at the server, and at the way there."
AT_STORAGE = "Look at the LUMI_S3_ variables, or at the rights on the data folder."
AT_LOG = "This is a bug: report it with the log."


def all_examinations(*, mail_to: str = "") -> list[Examination]:
    """A new list. A mail is sent only if there is an address for it."""
    on_database = partial(Examination, mend=AT_DATABASE, needs="database")
    on_tables = partial(Examination, mend=AT_DATABASE, needs="migrations")
    return [
        Examination("python", machine.python, AT_LOG),
        Examination("settings", machine.checks, "Run `manage.py check --deploy`."),
        Examination("secret key", machine.secret_key, "Look at the rights on the data folder."),
        Examination("disk", machine.disk, "Look at the rights on LUMI_DATA_DIR."),
        Examination("database", database.version, AT_DATABASE),
        on_database("setup", database.setup),
        on_database("migrations", database.migrations),
        on_database("clock", database.time),
        Examination("cache", clockwork.caching, AT_REDIS),
        Examination("broker", clockwork.broker, AT_REDIS),
        Examination("workers", clockwork.workers, AT_REDIS, needs="broker"),
        on_tables("sweep", clockwork.sweep, seconds=clockwork.sweep_seconds()),
        Examination("storage", storage.keeping, AT_STORAGE),
        Examination("addresses", storage.reading, AT_STORAGE, needs="storage"),
        on_tables("doomed files", database.doomed),
        Examination("spool", machine.spool, "Look at the rights on the data folder."),
        Examination("mail", partial(machine.mail, mail_to), "Look at EMAIL_URL, at the server, and at the way there."),
        Examination("providers", machine.providers, "Run `manage.py check`."),
        on_tables("held back", machine.holding_back),
        on_tables("staff", machine.staff),
        Examination("static files", machine.static_files, "Run `manage.py collectstatic`."),
        Examination("fonts", machine.fonts, "Run `pip install -r requirements.txt`."),
    ]
