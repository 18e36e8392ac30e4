"""What can be done with models: each verb is guarded, and one transaction."""

from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.text import get_valid_filename
from django.utils.translation import gettext_lazy as _

from gallery.inspection import inspect
from gallery.models import Model, Moderation, Source, StoredFile, Visibility
from gallery.names import name_from_file
from lumi import files, wavefront, wordfilter
from lumi.accounts.models import User
from lumi.again import again_after_deadlock
from lumi.errors import Conflict, Forbidden, InvalidState, NotFound, TooLarge
from lumi.models import FilterRule
from lumi.wordfilter import only_welcome

Person = User | AnonymousUser
MAX_STEM = 60  # characters of a file's name: 180 bytes in Chinese, and file systems take 255


class NotFinished(InvalidState):
    """Its files are not there yet."""

    message = _("This model is not finished yet. Please wait until it is.")


class NotYours(Forbidden):
    """Everybody may look at it, only its owner may change it."""

    message = _("Only the owner of this model can do this.")


# --- Who may ----------------------------------------------------------------------------------------------------------
def get_visible(*, user: Person, model_id: str, locked: bool = False) -> Model:
    """The model, if this person may see it; `locked` until the transaction ends. Raises NotFound."""
    models = Model.objects.visible_to(user)
    models = models.select_for_update() if locked else models.with_owner()
    model = models.with_id(model_id)
    if model is None:
        raise NotFound
    return model


def get_own(*, user: User, model_id: str) -> Model:
    """The person's own model, locked. Raises NotFound for one they cannot see, NotYours for one of another's."""
    model = get_visible(user=user, model_id=model_id, locked=True)
    if model.owner_id != user.pk:
        raise NotYours
    model.owner = user
    return model


def locked(model_id: str) -> Model:
    """The model, whosever it is, locked until the transaction ends. Raises NotFound."""
    model = Model.objects.select_for_update().with_id(model_id)
    if model is None:
        raise NotFound
    return model


# --- A model in the making --------------------------------------------------------------------------------------------
def create_unfinished(*, owner: User, name: str) -> Model:
    """A private model whose files will come."""
    return Model.objects.create(owner=owner, name=name, source=Source.AI_GENERATED)


def complete(*, model_id: str, files: list[StoredFile]) -> None:
    """Its files are there; earlier errors are forgotten. Raises Conflict if it is finished already, or gone."""
    main = Model(files=files).main_file
    if main is None:
        raise ValueError(f"no file of a model among {[file['role'] for file in files]}")
    now = timezone.now()
    change_unfinished(
        model_id,
        files=files,
        format=main["role"].upper(),
        size=main["size"],
        completed_at=now,
        failed_at=None,
        error_code="",
    )


def fail(*, model_id: str, error_code: str) -> None:
    """It will not come unless somebody tries again. Raises Conflict if it is finished, or gone."""
    change_unfinished(model_id, failed_at=timezone.now(), error_code=error_code)


def reopen(*, model_id: str) -> None:
    """Somebody tries again. Raises Conflict if it is finished, or gone."""
    change_unfinished(model_id, failed_at=None, error_code="")


def change_unfinished(model_id: str, **fields: Any) -> None:
    """One UPDATE guarded by "not finished". Raises Conflict when it met no row."""
    unfinished = Model.objects.filter(pk=model_id, completed_at__isnull=True)
    if not unfinished.update(updated_at=timezone.now(), **fields):
        raise Conflict


# --- What its owner does ----------------------------------------------------------------------------------------------
@only_welcome(FilterRule.Scope.NAME, "name", "description")
@again_after_deadlock
@transaction.atomic
def edit(*, user: User, model_id: str, name: str | None = None, description: str | None = None) -> Model:
    """Change what is given; None leaves it as it is. Staff look again at what everybody reads."""
    model = get_own(user=user, model_id=model_id)
    given = {"name": name, "description": description}
    fields: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if says_something_new(model, fields):
        fields["review_since"] = model.review_since or timezone.now()
    return change(model, **fields)


def says_something_new(model: Model, fields: dict[str, Any]) -> bool:
    """Whether everybody would read other words. What staff have hidden is for an appeal, not for the queue."""
    is_read = model.visibility == Visibility.PUBLIC and model.moderation != Moderation.HIDDEN
    return is_read and any(getattr(model, field) != value for field, value in fields.items())


def change(model: Model, **fields: Any) -> Model:
    """Write these fields and `updated_at`; nothing for no fields."""
    for field, value in fields.items():
        setattr(model, field, value)
    if fields:
        model.save(update_fields=[*fields, "updated_at"])
        import_string(settings.GALLERY_AFTER_CHANGE)(model.pk)
    return model


@again_after_deadlock
@transaction.atomic
def remove(*, user: User, model_id: str) -> None:
    """The owner throws it away: rows and files."""
    if get_visible(user=user, model_id=model_id).owner_id != user.pk:
        raise NotYours
    erase(model_id=model_id)


@again_after_deadlock
@transaction.atomic
def erase(*, model_id: str) -> None:
    """Rows and files go, whoever asks. Raises NotFound.

    The room above lets go first, before the model is locked: it locks its jobs before their models, and two orders of
    locking would be a deadlock.
    """
    import_string(settings.GALLERY_BEFORE_REMOVE)(model_id)
    model = locked(model_id)
    keys = [file["key"] for file in model.files]
    model.delete()
    files.doom(keys)


def leave_or_erase_all(owner: User, *, keep_public: bool) -> None:
    """A person goes (the accounts' slot): what they had goes too, except what is in the gallery, if that is to stay.

    What staff have hidden is in nobody's eyes, so it goes.
    """
    if keep_public:
        Model.objects.in_gallery().owned_by(owner).update(owner=User.objects.tombstone())
    for model_id in Model.objects.owned_by(owner).values_list("pk", flat=True):
        with suppress(NotFound):  # somebody else was faster
            erase(model_id=model_id)


# --- What everybody does ----------------------------------------------------------------------------------------------
def view(*, user: Person, model_id: str) -> Model:
    """Look at it. Counts, unless the owner looks. Raises NotFound."""
    model = get_visible(user=user, model_id=model_id)
    if model.owner_id != user.pk:
        Model.objects.count_one_more(model_id, "view_count")
        model.view_count += 1
    return model


def upload(*, owner: User, file: UploadedFile, name: str = "") -> Model:
    """A person's own model file: private, finished at once. What it is, its content says, never its name.

    Raises TooLarge, Unwelcome and Invalid.
    """
    if (file.size or 0) > settings.MAX_MODEL_UPLOAD_BYTES:
        raise TooLarge(_("This file is too large."))
    own_name = name or name_from_file(file.name or "") or str(_("My model"))
    wordfilter.check(own_name, FilterRule.Scope.NAME, field="name")
    stored = store_checked(owner, file)
    with transaction.atomic():
        files.own(part["key"] for part in stored)
        return create_uploaded(owner, own_name, stored)


def store_checked(owner: User, file: UploadedFile) -> list[StoredFile]:
    """Store the file, or the files of a ZIP, if that is a model. Raises Invalid."""
    with files.workspace() as workspace:
        path, unpacked = workspace / "upload", workspace / "unpacked"
        unpacked.mkdir()
        with path.open("wb") as copy:
            copy.writelines(file.chunks())
        parts = inspect(path, unpacked)
        folder, stem = files.new_folder("models", owner.pk), stem_of(file.name or "")
        names = {role: f"{stem}.{ending(role, part)}" for role, part in parts.items()}
        wavefront.let_find(parts, names)
        return [stored_part(role, parts[role], f"{folder}/{name}") for role, name in names.items()]


def stored_part(role: str, path: Path, key: str) -> StoredFile:
    """One file in Lumi's storage."""
    return {"role": role, "key": key, "size": files.save(path, key)}


def stem_of(given: str) -> str:
    """A file name's stem that any storage takes."""
    stem = PurePath(given).stem[:MAX_STEM].strip(". ")
    return get_valid_filename(stem) if stem else "model"


def ending(role: str, path: Path) -> str:
    """The ending that a file's content deserves."""
    return path.suffix.lower().lstrip(".") if role == "texture" else role


def create_uploaded(owner: User, name: str, parts: list[StoredFile]) -> Model:
    """The row of an uploaded model; the first part is the model itself."""
    file = parts[0]
    return Model.objects.create(
        owner=owner,
        name=name,
        source=Source.USER_UPLOADED,
        files=parts,
        format=file["role"].upper(),
        size=file["size"],
        completed_at=timezone.now(),
    )
