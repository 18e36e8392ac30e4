"""The Celery app: `celery -A lumi worker` and `celery -A lumi beat`, or embedded by `manage.py serve`.

Rows are the truth, messages only bells (docs/adr/0002): settings.py says why each option is set.
"""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumi.settings")

app = Celery("lumi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def leave_logging_to_django(**_: object) -> None:
    """Celery would install handlers of its own; Django's LOGGING already says where logs go."""
