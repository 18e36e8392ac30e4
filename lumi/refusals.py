"""What the web server refuses before Django sees it, it refuses in the envelope, too."""

from django.conf import settings
from django.utils import translation
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from lumi.api.jsend import answer
from lumi.errors import Invalid, LumiError, TooLarge

TOO_LARGE, NOT_IMPLEMENTED = (413, 431), 501  # an encoding that nobody offers is the client's mistake


class Refusal(ErrorTask):
    """The answer to what is no request, or one that is too large."""

    def execute(self) -> None:
        """waitress's hook. Which language the client would like is not known yet."""
        with translation.override(settings.LANGUAGE_CODE):
            response = answer(error_for(self.request.error.code))
        self.status = f"{response.status_code} {response.reason_phrase}"
        self.response_headers.extend(response.items())
        self.set_close_on_finish()
        self.content_length = len(response.content)
        self.write(response.content)


def error_for(code: int) -> LumiError:
    """Of waitress's status."""
    if code in TOO_LARGE:
        return TooLarge()
    return Invalid() if code < 500 or code == NOT_IMPLEMENTED else LumiError()


class Channel(HTTPChannel):
    """One client's connection."""

    error_task_class = Refusal
