"""What a decision of staff tells a person: a row for them to read, and a mail.

The row is written in the transaction of the decision; the sweep mails it (`send_due`), again and again at growing
intervals until the mail server takes it or it is given up. Who has no address has the row.
"""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from lumi import clock
from lumi.accounts import codes
from lumi.accounts.mail import Mail, composed
from lumi.accounts.models import Notice, NoticeKind, User

MOST_MAILS = 10  # in one round: the sweep has other things to do
WAITS = tuple(timedelta(minutes=5**step) for step in range(5))  # between tries: a minute, five, ... ten hours
NO_ADDRESS = ".invalid"  # the gateway's people have none
ABOUT_ACCOUNT = (NoticeKind.WARNING, NoticeKind.SUSPENDED, NoticeKind.RESTORED)


def tell(*, user_id: str, kind: NoticeKind, about: str = "", name: str = "", reason: str = "") -> Notice:
    """Tell a person, in the transaction of what it is about. `about`, `name`: a model's id, and how it is called;
    `reason`: what they read, at most 500 characters."""
    return Notice.objects.create(user_id=user_id, kind=kind, about=about, name=name, reason=reason, mail_at=clock.now())


def mark_read(*, user: User) -> None:
    """They have seen all that there is."""
    Notice.objects.filter(user=user, read_at=None).update(read_at=Now())


# --- Words ------------------------------------------------------------------------------------------------------------


def sentence(notice: Notice) -> str:
    """What has happened, in the language that is active."""
    return {
        NoticeKind.MODEL_HIDDEN: _("Your model “%(name)s” was hidden. Nobody but you can see it."),
        NoticeKind.MODEL_RESTORED: _("Your model “%(name)s” is shown again."),
        NoticeKind.MODEL_REMOVED: _("Your model “%(name)s” was removed."),
        NoticeKind.MODEL_APPROVED: _("Your model “%(name)s” was approved. Everybody can see it now."),
        NoticeKind.APPEAL_GRANTED: _("Your appeal was granted: your model “%(name)s” is shown again."),
        NoticeKind.APPEAL_REFUSED: _("Your appeal was refused: your model “%(name)s” stays hidden."),
        NoticeKind.WARNING: _("You have been given a warning. After several of them an account may be suspended."),
        NoticeKind.SUSPENDED: _("Your account was suspended. You cannot sign in, and your models are not shown."),
        NoticeKind.RESTORED: _("Your account is open again. Please sign in as usual."),
    }[NoticeKind(notice.kind)] % {"name": notice.name}


def advice(notice: Notice) -> str:
    """What they can do about it; "" where there is nothing."""
    return {
        NoticeKind.MODEL_HIDDEN: _("You think that this is a mistake? You can appeal once; somebody else will decide."),
        NoticeKind.MODEL_REMOVED: _("You think that this is a mistake? Please contact us."),
        NoticeKind.SUSPENDED: _("You think that this is a mistake? Please contact us."),
    }.get(NoticeKind(notice.kind), "")


def mail_for(notice: Notice) -> Mail:
    """In the person's language. The subject tells no more than a mail server's log may know."""
    with translation.override(notice.user.language or settings.LANGUAGE_CODE):
        about_account = notice.kind in ABOUT_ACCOUNT
        reason = _("The reason: %(reason)s") % {"reason": notice.reason} if notice.reason else ""
        return composed(
            to=notice.user.email,
            subject=_("About your account at Lumi") if about_account else _("About your model at Lumi"),
            opening=sentence(notice),
            paragraphs=[words for words in (reason, advice(notice)) if words],
        )


# --- Mails ------------------------------------------------------------------------------------------------------------


def send_due(*, ready: Callable[[Notice], bool] = lambda _notice: True) -> None:
    """Mail what is due, as long as the mail server answers. For the sweep. `ready`: where it says no, the notice waits
    a while, and that is not counted as a try."""
    for notice in due():
        if not ready(notice):
            Notice.objects.filter(pk=notice.pk, mail_at__isnull=False).update(mail_at=clock.now() + WAITS[0])
        elif claim(notice) and not send(notice):
            return


def due() -> list[Notice]:
    """The next ones, with their people."""
    waiting = Notice.objects.filter(mail_at__lte=clock.now()).select_related("user")
    return list(waiting.order_by("mail_at", "pk")[:MOST_MAILS])


def claim(notice: Notice) -> bool:
    """Of several sweeps one sends it: a guarded UPDATE, which is also when it is tried again, if at all."""
    again = clock.now() + WAITS[notice.mail_tries] if notice.mail_tries < len(WAITS) else None
    unclaimed = Notice.objects.filter(pk=notice.pk, mail_tries=notice.mail_tries, mail_at__isnull=False)
    return bool(unclaimed.update(mail_at=again, mail_tries=F("mail_tries") + 1))


def send(notice: Notice) -> bool:
    """Mail it, if there is an address; False when the mail server is away, so that others need not be tried."""
    try:
        if not notice.user.email.endswith(NO_ADDRESS):
            codes.send(mail=mail_for(notice))
    except codes.MailNotSent:
        return False
    except codes.MailRefused:
        pass  # it never will be
    Notice.objects.filter(pk=notice.pk).update(mail_at=None)
    return True
