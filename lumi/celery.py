"""The Celery app: `celery -A lumi worker` and `celery -A lumi beat`, or embedded by `manage.py serve`.

Rows are the truth, messages only bells (docs/adr/0002): settings.py says why each option is set.
"""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun, worker_ready
from django.db import close_old_connections

from lumi.logs import request_id

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


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_: object) -> None:
    """A message tells from which HTTP request it comes."""
    if found := request_id.get():
        headers["lumi_request_id"] = found


@task_prerun.connect
def take_request_id(task: Any, **_: object) -> None:
    """What a task logs belongs to that HTTP request, or to none."""
    request_id.set(getattr(task.request, "lumi_request_id", None) or "")


@worker_ready.connect
def say_ready(sender: Any, **_: object) -> None:
    """Celery says so through a logger that is silent here; whoever starts a worker waits for this line."""
    logger.info("worker ready: %s", sender.hostname)
