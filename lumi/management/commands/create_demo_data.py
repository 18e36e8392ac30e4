"""`manage.py create_demo_data`: a gallery that looks lived in, for trials and benchmarks; and away with it."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from random import SystemRandom
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string
from rich.table import Table

from lumi import clock, demo
from lumi.accounts.models import TOMBSTONE, User
from lumi.chores import Refused, Tell, note
from lumi.management.console import HouseCommand, meter, table_of

AT_ONCE = 100  # people, when they are removed
HELP = """\
Invent people, requests, models, likes and reports, spread over the last months.

Everybody invented has an address at demo.invalid and cannot sign in; no mail is sent, nothing is paid, and no provider
is asked for anything but the offline ones. The newest --pictures requests and uploads have real files, painted and
built once for each of sixteen subjects (a minute or two) and copied; the others have none, and every address of theirs
is null, in the API as on the pages: 100 000 models would be a million files. Costs count as spent.

The same --seed gives the same gallery, counted back from now. A seed can be used once; another adds to what is there.
"""

PAGES = (
    ("the front page of the staff", "admin:index"),
    ("models to moderate", "admin:gallery_model_queue"),
    ("image jobs", "admin:generation_imagegenerationjob_changelist"),
    ("model jobs", "admin:generation_modelgenerationjob_changelist"),
    ("requests", "admin:generation_generationrequest_changelist"),
    ("people", "admin:accounts_user_changelist"),
)


class Command(HouseCommand):
    """Fill, or remove."""

    help = HELP

    def create_parser(self, *args: Any, **options: Any) -> Any:
        """With the help text as it stands."""
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much of what."""
        parser.add_argument("--models", type=number, default=200, help="3D models, made and uploaded (200)")
        parser.add_argument("--people", type=number, help="people (one for each 20 models, and at least 10)")
        parser.add_argument("--jobs", type=number, help="image jobs, four a request (about four for each model)")
        parser.add_argument("--reports", type=number, help="reports (one for each 50 models)")
        parser.add_argument("--unpublished", type=share, default=0.3, help="share of the models that nobody sees (0.3)")
        parser.add_argument("--pictures", type=number, default=200, help="how many of the newest have files (200)")
        parser.add_argument("--days", type=number, default=180, help="how far back it goes (180)")
        parser.add_argument("--seed", type=number, help="the same seed gives the same gallery (default: a new one)")
        parser.add_argument("--force", action="store_true", help="also where real people are")
        parser.add_argument("--remove", action="store_true", help="take away everything that this command ever made")
        self.add_by(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One or the other."""
        with self.as_operator(options), meter() as tell:
            if options["remove"]:
                self.stdout.write(f"{remove_all(tell)} people, and all that was theirs, are gone.")
                return
            plan = fill(options, tell)
        self.print_table(summary(plan))
        self.stdout.write("\nWhat to try next (`make superuser` makes an account, `make run` serves):")
        for what, address in PAGES:
            self.stdout.write(f"  {what:<34} {settings.PUBLIC_URL or 'http://127.0.0.1:8000'}{reverse(address)}")
        self.stdout.write("  and away with it all                manage.py create_demo_data --remove")


def number(text: str) -> int:
    """A whole number from 0."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def share(text: str) -> float:
    """From 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is no share: write a number from 0 to 1")
    return value


# --- Fill -------------------------------------------------------------------------------------------------------------


def fill(options: dict[str, Any], tell: Tell) -> demo.Plan:
    """Invent everything; what was planned. Raises Refused."""
    seed = SystemRandom().randrange(1_000_000) if options["seed"] is None else options["seed"]
    check(seed, force=options["force"])
    plan = plan_of(options, seed, tell)
    for slot in settings.DEMO_DATA:
        import_string(slot)(plan)
    note("created demo data", seed=seed, people=len(plan.people), models=plan.models, jobs=plan.jobs)
    return plan


def check(seed: int, *, force: bool) -> None:
    """Raises Refused where it would do harm."""
    if demo.invented_people(seed).exists():
        raise Refused(f"The seed {seed} was used here already: give another --seed, or first --remove.")
    if not force and real_people().exists():
        raise Refused("Real people use this installation. Nothing was done; --force mixes invented ones among them.")


def real_people() -> Any:
    """Neither invented, nor staff, nor what stands for those who are gone."""
    return User.objects.exclude(pk__in=demo.invented_people().values("pk")).filter(is_staff=False).exclude(pk=TOMBSTONE)


def plan_of(options: dict[str, Any], seed: int, tell: Tell) -> demo.Plan:
    """With its people, who are written."""
    models, now, days = options["models"], clock.now(), max(1, options["days"])
    count = max(1, given(options["people"], max(10, models // 20)))
    tell("people", 0, count)
    people = demo.invent_people(count, seed=seed, now=now, days=days)
    tell("people", count, count)
    return demo.Plan(
        seed=seed,
        people=people,
        models=models,
        jobs=given(options["jobs"], 4 * models),
        reports=given(options["reports"], models // 50),
        unpublished=options["unpublished"],
        pictures=options["pictures"],
        now=now,
        days=days,
        tell=tell,
    )


def given(value: int | None, otherwise: int) -> int:
    """What was asked for."""
    return otherwise if value is None else value


def summary(plan: demo.Plan) -> Table:
    """What there is now."""
    table = table_of("seed", "people", "requests", "models", "with files", "reports", whole=("seed",))
    requests = round(plan.jobs / 4)
    facts = (plan.seed, len(plan.people), requests, plan.models, min(plan.pictures, plan.models), plan.reports)
    table.add_row(*map(str, facts))
    return table


# --- Remove -----------------------------------------------------------------------------------------------------------


def remove_all(tell: Tell) -> int:
    """Everybody invented goes, with all that is theirs, some people at a time; how many they were."""
    ids = list(demo.invented_people().values_list("pk", flat=True))
    done = 0
    for some in demo.in_batches(ids, AT_ONCE):
        for slot in reversed(settings.DEMO_DATA):
            import_string(f"{slot.rpartition('.')[0]}.remove")(some)
        User.objects.filter(pk__in=some).delete()
        done += len(some)
        tell("people", done, len(ids))
    if ids:
        note("removed demo data", people=len(ids))
    return len(ids)
