"""The Celery app: `celery -A lumi worker` and `celery -A lumi beat`, or embedded by `manage.py serve`.

Rows are the truth, messages only bells (docs/adr/0002): settings.py says why each option is set.
"""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun, worker_ready
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumi.settings")

logger = logging.getLogger(__name__)

app = Celery("lumi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def leave_logging_to_django(**_: object) -> None:
    """Celery would install handlers of its own; Django's LOGGING already says where logs go."""


@task_prerun.connect
@task_postrun.connect
def keep_good_connections(**_: object) -> None:
    """As with HTTP requests: a connection is kept while it is good. Celery alone would make a new one for each task."""
    close_old_connections()


@worker_ready.connect
def say_ready(sender: Any, **_: object) -> None:
    """Celery says so through a logger that is silent here; whoever starts a worker waits for this line."""
    logger.info("worker ready: %s", sender.hostname)
