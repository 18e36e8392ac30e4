"""What a person changes of themselves: name, language, picture, address."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from lumi import files, pictures
from lumi.accounts import codes
from lumi.accounts.mail import address_changed_mail
from lumi.accounts.models import Purpose, User
from lumi.errors import Conflict, Invalid, Unauthorized
from lumi.models import FilterRule
from lumi.pages import each
from lumi.wordfilter import only_welcome

AVATAR_SIDE = 512


class AddressInUse(Conflict):
    """Told only to whoever has shown that the address is theirs."""

    message = _("There is another account for this address already.")


class SameAddress(Invalid):
    """Nothing would change."""

    message = _("This is your address already.")

    def __init__(self) -> None:
        super().__init__(details={"email": [self.message]})


@only_welcome(FilterRule.Scope.NAME, "name")
@transaction.atomic
def edit(*, user: User, **fields: Any) -> User:
    """Change what is given (`name`, `language`)."""
    return write(locked_person(user), **fields)


def write(person: User, **fields: Any) -> User:
    """These fields of a row that is held."""
    for field, value in fields.items():
        setattr(person, field, value)
    person.save(update_fields=[*fields, "updated_at"])
    return person


def locked_person(user: User) -> User:
    """The row as it is now, held until the transaction ends. Raises Unauthorized for somebody who has just gone."""
    found = User.objects.select_for_update().filter(pk=user.pk, leaving="").first()
    if found is None:
        raise Unauthorized
    return found


# --- The picture ------------------------------------------------------------------------------------------------------


def set_avatar(*, user: User, file: UploadedFile) -> User:
    """The middle of the picture, in place of the one before. Raises Invalid, TooLarge, StorageAway."""
    content = pictures.square(file, AVATAR_SIDE)
    key = f"{files.new_folder('avatars', user.pk)}/avatar.webp"
    with files.workspace() as folder:
        path = folder / "avatar.webp"
        path.write_bytes(content)
        files.save(path, key)
    return replace_avatar(user=user, key=key)


def remove_avatar(*, user: User) -> User:
    """No picture; no error where there was none."""
    return replace_avatar(user=user, key="")


@transaction.atomic
def replace_avatar(*, user: User, key: str) -> User:
    """The row has the new file, the old one is doomed: both or neither. Of two at once the second one stays."""
    person = locked_person(user)
    files.own([key] if key else [])
    files.doom([person.avatar] if person.avatar else [])
    return write(person, avatar=key)


def file_keys() -> Iterator[tuple[str, str]]:
    """Every avatar's storage key, and whose it is (the ground's slot FILE_KEYS)."""
    pictured = User.objects.exclude(avatar="").only("pk", "avatar")
    for person in each(pictured):
        yield person.avatar, f"person {person.pk}"


# --- The address ------------------------------------------------------------------------------------------------------


def ask_for_new_address(*, user: User, email: str, language: str) -> None:
    """Mail a code to the new address, whoever has it. Raises SameAddress, and what `send_code` raises."""
    if email == user.email:
        raise SameAddress
    codes.send_code(email=email, purpose=Purpose.CHANGE_EMAIL, language=language, user=user)


def change_address(*, user: User, email: str, code: str, language: str) -> User:
    """The account has the new address, and the former one is told. Raises WrongCode, AddressInUse (which leaves the
    code unspent)."""
    row = codes.check_code(email=email, purpose=Purpose.CHANGE_EMAIL, code=code, user=user)
    try:
        with transaction.atomic():
            codes.spend_code(row=row)
            person = locked_person(user)
            former = person.email
            write(person, email=email)
    except IntegrityError as error:
        raise AddressInUse from error
    tell_former(email=former, language=person.language or language)
    return person


def tell_former(*, email: str, language: str) -> None:
    """The change is made, whether or not this mail arrives."""
    with suppress(codes.MailRefused, codes.MailNotSent):
        codes.send(mail=address_changed_mail(email=email, language=language))
