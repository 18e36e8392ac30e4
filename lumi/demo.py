"""What the rooms share that fill an instance with invented data: the plan, the people, and rows with a past.

The slots DEMO_DATA name a function `fill(plan)` in each room, called in their order; beside it stands
`remove(people_ids)`, called in the opposite order, which takes away whatever that room keeps of these people, files
included. Both commit in pieces: what is left of a run that was interrupted is taken away like any other.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from lumi.accounts.models import Notice, NoticeKind, Strike, User
from lumi.chores import Tell

DOMAIN = "demo.invalid"  # nobody real has an address there, and no mail ever arrives
BATCH = 500
NO_PASSWORD = "!"  # noqa: S105  the mark of one that cannot be used
SUSPENDED_EVERY = 40  # people
T = TypeVar("T")


class Dice(Random):
    """Chance that comes again with its seed. No secret is made of it."""


@dataclass(frozen=True)
class Person:
    """Somebody invented. `language`: "zh" or "en"."""

    id: str
    joined: datetime
    language: str
    suspended: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be invented, by numbers: `models` in all, image `jobs` in all, `reports`; `unpublished`, a share of
    the finished models; `pictures`, so many of the newest requests and uploads have files. All of it has happened in
    the `days` before `now`. `tell`: how far it is."""

    seed: int
    people: Sequence[Person]  # by when they joined
    models: int
    jobs: int
    reports: int
    unpublished: float
    pictures: int
    now: datetime
    days: int
    tell: Tell

    def dice(self, part: str) -> Dice:
        """The dice of one part: the same seed gives the same throws, whatever other parts do."""
        return Dice(f"{self.seed}:{part}")

    @cached_property
    def joined(self) -> list[datetime]:
        """When each of the people joined."""
        return [person.joined for person in self.people]

    def somebody(self, dice: Dice, moment: datetime) -> Person:
        """One of those who had joined by then; few of them do most."""
        here = max(1, bisect_right(self.joined, moment))
        return self.people[int(here * dice.random() ** 2.5)]

    def moments(self, dice: Dice, count: int) -> list[datetime]:
        """So many moments in order: more and more towards now, and some within the last hour."""
        lately = min(count // 4, max(3, count // 100))
        span = [self.days * 86_400 * dice.random() ** 1.4 for _ in range(count - lately)]
        return [self.now - timedelta(seconds=ago) for ago in sorted(span + last_hour(dice, lately), reverse=True)]


def last_hour(dice: Dice, count: int) -> list[float]:
    """So many numbers of seconds ago, most of them a few minutes."""
    return [3600 * ((number + dice.random()) / count) ** 2 for number in range(count)]


# --- Rows with a past -------------------------------------------------------------------------------------------------


def id_at(moment: datetime, dice: Dice) -> str:
    """An id as `lumi.ids.new_id` would have made it at that moment (to the millisecond): ids are in order of time."""
    left, right = dice.getrandbits(12), dice.getrandbits(62)
    return str(UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | left << 64 | 2 << 62 | right))


def insert(rows: Iterable[models.Model]) -> None:
    """Write rows as they are, in one transaction: `bulk_create` would set the times of creation and change to now. A
    table is written when it is first met: what others refer to comes before them."""
    tables: dict[type[models.Model], list[models.Model]] = {}
    for row in rows:
        tables.setdefault(type(row), []).append(row)
    with transaction.atomic():
        for table, its_rows in tables.items():
            insert_into(table, its_rows)


def insert_into(table: type[models.Model], rows: list[models.Model]) -> None:
    """Rows of one table, a few hundred a statement. Ids that the database counts are left to it."""
    connection = connections[DEFAULT_DB_ALIAS]
    fields = [field for field in table._meta.concrete_fields if not isinstance(field, models.AutoField)]
    quote = connection.ops.quote_name
    names, marks = in_brackets(quote(str(field.column)) for field in fields), in_brackets("%s" for _ in fields)
    begin = ("INSERT INTO", quote(table._meta.db_table), names, "VALUES")
    for some in in_batches(rows, min(BATCH, connection.ops.bulk_batch_size(fields, rows))):
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for row in some for field in fields]
        with connection.cursor() as cursor:
            cursor.execute(" ".join((*begin, ", ".join([marks] * len(some)))), values)


def in_brackets(words: Iterable[str]) -> str:
    """As SQL wants a list."""
    return f"({', '.join(words)})"


def in_batches(things: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


# --- People -----------------------------------------------------------------------------------------------------------

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
GIVEN = "子涵 雨桐 浩然 思远 欣怡 梓萱 俊杰 晓彤 明轩 静怡 一诺 天佑 诗涵 文博 雅婷 泽宇 可欣 志强 宇航 若曦"
FIRST = "Emma Liam Olivia Noah Ava Mia Lucas Ethan Sofia Leo Chloe Jack Ella Oscar Grace Henry Lily Max Zoe Daniel"
LAST = "Smith Brown Miller Davis Wilson Moore Taylor Clark Hall Young King Wright Hill Green Baker Nelson Turner Bell"
REASONS = {
    "zh": ("上传了他人的作品", "名称中含有广告", "多次发布不适当的内容"),
    "en": ("Somebody else's work was uploaded", "Names with advertising in them", "Unsuitable content, again"),
}


def invented_people(seed: int | None = None) -> models.QuerySet[User]:
    """The invented people, or those of one seed. An address begins with the seed, so that the index finds it."""
    people = User.objects.filter(email__endswith=f"@{DOMAIN}")
    return people if seed is None else people.filter(email__startswith=f"{seed}-")


def invent_people(count: int, *, seed: int, now: datetime, days: int) -> list[Person]:
    """People who joined in the time before `now` and a little before it, the oldest first; some are suspended, and some
    were warned. They cannot sign in: no password, and no mail reaches them."""
    dice = Dice(f"{seed}:people")
    span = (days + 7) * 86_400
    ago = sorted((span * (1 if number == 0 else dice.random()) for number in range(count)), reverse=True)
    people = []
    for batch in in_batches(enumerate(ago)):
        made = [invent_person(f"{seed}-{number}", number, now, now - timedelta(seconds=s), dice) for number, s in batch]
        insert(row for _, rows in made for row in rows)
        people += [person for person, _ in made]
    return people


def invent_person(mark: str, number: int, now: datetime, joined: datetime, dice: Dice) -> tuple[Person, list[Any]]:
    """One, and the rows that are theirs."""
    language = "zh" if dice.random() < 0.6 else "en"
    suspended = number % SUSPENDED_EVERY == 7
    person = Person(id_at(joined, dice), joined, language, suspended)
    user = User(
        id=person.id,
        email=f"{mark}@{DOMAIN}",
        name=a_name(language, dice),
        password=NO_PASSWORD,
        language="zh-hans" if language == "zh" else "en",
        suspended_at=between(joined, now, dice) if suspended else None,
        last_login=between(joined, now, dice),
        created_at=joined,
        updated_at=joined,
    )
    warned = 2 if suspended else int(dice.random() < 0.03)
    return person, [user, *(row for _ in range(warned) for row in warning(person, now, dice)), *suspension(user, dice)]


def a_name(language: str, dice: Dice) -> str:
    """As people have them."""
    if language == "zh":
        return dice.choice(SURNAMES) + dice.choice(GIVEN.split())
    return f"{dice.choice(FIRST.split())} {dice.choice(LAST.split())}"


def warning(person: Person, now: datetime, dice: Dice) -> list[Any]:
    """A strike, and what the person was told."""
    moment, reason = between(person.joined, now, dice), dice.choice(REASONS[person.language])
    told = {"user_id": person.id, "reason": reason, "created_at": moment}
    return [
        Strike(id=id_at(moment, dice), **told),
        Notice(id=id_at(moment, dice), kind=NoticeKind.WARNING, **told),
    ]


def suspension(user: User, dice: Dice) -> list[Any]:
    """What somebody was told whose account is suspended."""
    if user.suspended_at is None:
        return []
    told = {"user_id": user.pk, "kind": NoticeKind.SUSPENDED, "created_at": user.suspended_at}
    return [Notice(id=id_at(user.suspended_at, dice), reason=dice.choice(REASONS["zh"]), **told)]


def between(earliest: datetime, latest: datetime, dice: Dice) -> datetime:
    """Some moment."""
    return earliest + (latest - earliest) * dice.random()
