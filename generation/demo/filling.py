"""Requests and models by the hundred, in the order of time."""

from datetime import datetime, timedelta
from typing import Any

from gallery.models import Model, Moderation, Source, StoredFile, Visibility
from gallery.names import name_from
from generation.demo.pictures import Files
from generation.demo.stories import Story, Wish
from generation.demo.words import SUBJECTS, Subject, a_description, a_name, a_prompt
from generation.models import IMAGES_PER_REQUEST
from lumi.demo import BATCH, Dice, Person, Plan, id_at, in_batches, insert
from providers import registry

STORIES = BATCH // 5  # at once: together some thousand rows
REQUEST, REQUEST_WITH_MODEL, UPLOAD = "request", "request with model", "upload"
LOOKED_AT = timedelta(days=2)  # what was published before is looked at
HIDDEN_SHARE = 0.015  # of what was published
UPLOADED = ("stl", "glb", "obj")
MOST_VIEWS = 50_000


def fill(plan: Plan) -> None:
    """As the plan says: `plan.jobs` image jobs, in whole requests, and `plan.models` models."""
    inventor = Inventor(plan)
    kinds = kinds_of(plan, inventor.dice)
    moments = plan.moments(inventor.dice, len(kinds))
    with_files = len(kinds) - plan.pictures
    try:
        for batch in in_batches(enumerate(zip(kinds, moments, strict=True)), STORIES):
            rows = [
                row
                for number, (kind, moment) in batch
                for row in inventor.invented(kind, moment, with_files=number >= with_files)
            ]
            with inventor.files.written():
                insert(rows)
            plan.tell("requests and models", batch[-1][0] + 1, len(kinds))
    finally:
        inventor.files.forget()


def kinds_of(plan: Plan, dice: Dice) -> list[str]:
    """What happens, in an order by the dice. A request in five leads to no model; models without one are uploads."""
    requests = round(plan.jobs / IMAGES_PER_REQUEST)
    with_model = min(plan.models, round(requests * 0.8))
    kinds = [REQUEST] * (requests - with_model) + [REQUEST_WITH_MODEL] * with_model
    kinds += [UPLOAD] * (plan.models - with_model)
    dice.shuffle(kinds)
    return kinds


class Inventor:
    """Makes rows, and has files made for some of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dice, self.files = plan, plan.dice("generation"), Files()
        providers = (*registry.listed("llm"), *registry.listed("image"), *registry.listed("model"))
        self.may_wait = set(providers) == {"offline"}  # else a worker would take it up, and pay for it

    def invented(self, kind: str, moment: datetime, *, with_files: bool) -> list[Any]:
        """The rows of one upload, or of one request."""
        person, subject = self.plan.somebody(self.dice, moment), self.dice.choice(SUBJECTS)
        if kind == UPLOAD:
            return [self.upload(person, subject, moment, with_files)]
        story = self.story(person, subject, moment, has_model=kind == REQUEST_WITH_MODEL)
        if with_files:
            for image in story.images:
                image.key = self.files.picture(subject, image.index, person.id) if image.completed_at else ""
        models = self.model_of(story, person, subject, with_files)
        if kind == REQUEST_WITH_MODEL and not models:  # it has not come so far yet: another one makes up the number
            models = [self.upload(person, subject, moment, with_files)]
        return [*models, *story.rows]

    def story(self, person: Person, subject: Subject, moment: datetime, *, has_model: bool) -> Story:
        """What became of a sentence."""
        prompt = a_prompt(subject, person.language, self.dice)
        wish = Wish(
            owner=person, at=moment, now=self.plan.now, prompt=prompt, has_model=has_model, may_wait=self.may_wait
        )
        return Story(wish, self.dice)

    def model_of(self, story: Story, person: Person, subject: Subject, with_files: bool) -> list[Model]:
        """The model that a story led to, if it did."""
        if not story.model_id:
            return []
        fields = {"id": story.model_id, "name": name_from(story.request.prompt), "format": "OBJ", **story.model_fields}
        return [self.model(person, subject, with_files, source=Source.AI_GENERATED, **fields)]

    def upload(self, person: Person, subject: Subject, moment: datetime, with_files: bool) -> Model:
        """Somebody's own file."""
        role, name = self.dice.choice(UPLOADED), a_name(subject, person.language, self.dice)
        times = {"created_at": moment, "updated_at": moment, "completed_at": moment}
        fields = {"id": id_at(moment, self.dice), "name": name, "source": Source.USER_UPLOADED, **times}
        return self.model(person, subject, with_files, only=role, format=role.upper(), **fields)

    def model(self, person: Person, subject: Subject, with_files: bool, *, only: str = "", **fields: Any) -> Model:
        """A row; finished ones are shown by most, and seen by some."""
        model = Model(owner_id=person.id, description=a_description(person.language, self.dice), **fields)
        if model.completed_at is None:
            model.format = ""
            return model
        self.publish(model, person)
        model.size = self.dice.randint(200_000, 9_000_000)
        if with_files:
            public = model.visibility == Visibility.PUBLIC and model.moderation == Moderation.VISIBLE
            self.lay(model, self.files.model(subject, person.id, public=public, only=only))
        return model

    def lay(self, model: Model, stored: list[StoredFile]) -> None:
        """It has files."""
        model.files = stored
        if main := model.main_file:
            model.format, model.size = main["role"].upper(), main["size"]

    def publish(self, model: Model, person: Person) -> None:
        """Most show what they made, soon or later; few things are seen by many, and most by few."""
        ready = model.completed_at or self.plan.now
        published_at = ready + timedelta(hours=self.dice.expovariate(1 / 5))
        if self.dice.random() < self.plan.unpublished or published_at > self.plan.now:
            return
        model.visibility, model.published_at, model.updated_at = Visibility.PUBLIC, published_at, published_at
        model.moderation = self.moderation_of(person)
        if model.moderation == Moderation.VISIBLE and self.plan.now - published_at < LOOKED_AT:
            model.review_since = published_at
        days = (self.plan.now - published_at) / timedelta(days=1)
        model.view_count = min(MOST_VIEWS, int(min(days, 7.0) * self.dice.paretovariate(1.1)))
        model.download_count = int(model.view_count * self.dice.uniform(0, 0.2))

    def moderation_of(self, person: Person) -> Moderation:
        """What staff say to it."""
        if person.suspended:
            return Moderation.SUSPENDED
        return Moderation.HIDDEN if self.dice.random() < HIDDEN_SHARE else Moderation.VISIBLE
