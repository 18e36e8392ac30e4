"""What a person is told when a model could not be made."""

from django.utils.translation import gettext_lazy as _

FAILED = _("This model could not be made. Please try again later.")


def sentence(code: str) -> str | None:
    """The sentence for an error code, in the reader's language; None for no error.

    Whoever made the model knows better sentences and gives them through the slot GALLERY_MODEL_FACTS.
    """
    return str(FAILED) if code else None
