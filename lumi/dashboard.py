"""What the staff's front page is made of. Each room brings cards of what the person may see (STAFF_CARDS); the page
arranges and draws them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.module_loading import import_string

WIDTH, HEIGHT = 480, 96  # of a chart, in its own units
GAP = 2  # between two bars


class Tone(StrEnum):
    """How something stands: what colour it gets, beside what it says."""

    PLAIN = ""
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Figure:
    """A number, or another fact, as people read it; and the list behind it."""

    value: Any
    link: str = ""
    label: Any = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Table:
    """Rows of figures, each with its heading."""

    head: tuple[Any, ...]
    rows: tuple[tuple[Any, tuple[Figure, ...]], ...]


@dataclass(frozen=True)
class Point:
    """A place on a chart's axis: what is stacked there, from the bottom up."""

    label: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Bar:
    """A rectangle of a chart, in the chart's units."""

    x: float
    y: float
    width: float
    height: float
    tone: Tone


@dataclass(frozen=True)
class Chart:
    """Numbers over time, as bars and as a table. `names`: of what is stacked, each with its tone; `legend`: what the
    tones say, where the names say more than they do."""

    title: Any
    axis: Any
    names: tuple[tuple[Any, Tone], ...]
    points: tuple[Point, ...]
    legend: tuple[tuple[Any, Tone], ...] = ()
    width, height = WIDTH, HEIGHT

    @property
    def most(self) -> int:
        """The highest stack."""
        return max((self.sum_at(point) for point in self.points), default=0)

    @property
    def said(self) -> str:
        """What the picture shows, for whoever does not see it."""
        sums = [sum(point.figures[number].value for point in self.points) for number in range(len(self.names))]
        return ", ".join(f"{name}: {total}" for (name, _), total in zip(self.names, sums, strict=True))

    @property
    def bars(self) -> Iterator[Bar]:
        """Those that have a height."""
        width = WIDTH / max(len(self.points), 1)
        for number, point in enumerate(self.points):
            top = float(HEIGHT)
            for figure, (_, tone) in zip(point.figures, self.names, strict=True):
                height = figure.value * (HEIGHT - GAP) / max(self.most, 1)
                top -= height
                if height:
                    yield Bar(rounded(number * width), rounded(top), rounded(width - GAP), rounded(height), tone)

    @staticmethod
    def sum_at(point: Point) -> int:
        """The height of one stack."""
        return sum(figure.value for figure in point.figures)


@dataclass(frozen=True)
class Card:
    """One subject. `name` is the same at every refresh; `link` leads from the title; `steps` say what to do."""

    name: str
    title: Any
    link: str = ""
    tone: Tone = Tone.PLAIN
    note: Any = ""
    figures: tuple[Figure, ...] = ()
    table: Table | None = None
    chart: Chart | None = None
    steps: tuple[Figure, ...] = ()


def cards(request: HttpRequest) -> list[Card]:
    """All that the person may see, in the order of the settings."""
    return [card for room in settings.STAFF_CARDS for card in import_string(room)(request)]


def listed(name: str, **where: Any) -> str:
    """The address of a page of the admin, narrowed: `listed("gallery_model_changelist", visibility__exact="PUBLIC")`.
    Moments are written so that a filter reads them."""
    texts = {key: value.isoformat() if isinstance(value, date) else value for key, value in where.items()}
    return reverse(f"admin:{name}") + (f"?{urlencode(texts)}" if texts else "")


def worst(tones: Iterable[Tone]) -> Tone:
    """The one that somebody should look at first."""
    return max(tones, key=list(Tone).index, default=Tone.PLAIN)


def midnight(day: date) -> datetime:
    """Its first moment (UTC)."""
    return datetime.combine(day, time(), UTC)


def on(day: date, field: str) -> dict[str, datetime]:
    """The conditions of a list of what happened on a day, for `listed`."""
    return {f"{field}__gte": midnight(day), f"{field}__lt": midnight(day + timedelta(days=1))}


def per_day(counted: Mapping[date, int], today: date, days: int, link: Callable[[date], str]) -> tuple[Point, ...]:
    """A point for each of the last days, today included; the link leads to what was counted on it."""
    wanted = [today - timedelta(days=ago) for ago in reversed(range(days))]
    return tuple(Point(f"{day:%m-%d}", (Figure(counted.get(day, 0), link(day)),)) for day in wanted)


def span(value: timedelta | None) -> str:
    """How long, with two units at most: `850 ms`, `12.4 s`, `3 min 5 s`, `2 d 3 h`; "–" for None."""
    if value is None:
        return "–"
    seconds = value.total_seconds()
    if seconds < 60:
        return unit(round(seconds * 1000), "ms") if seconds < 1 else unit(f"{seconds:.3g}", "s")
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(place for place, (number, _) in enumerate(parts) if number)
    return " ".join(unit(number, name) for number, name in parts[first : first + 2] if number)


def unit(number: Any, name: str) -> str:
    """A number and what it counts, which no line break parts."""
    return f"{number}\N{NO-BREAK SPACE}{name}"


def rounded(number: float) -> float:
    """Fine enough for a chart."""
    return round(number, 1)
