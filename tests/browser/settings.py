"""Lumi's settings, with a painter that can be told to refuse: for the processes that the browser tests start."""

from lumi.settings import *  # noqa: F403  settings are made to be taken over whole

PROVIDERS = PROVIDERS | {"image": {**PROVIDERS["image"], "moody": "tests.browser.provider.images"}}  # noqa: F405
IMAGE_PROVIDERS = ["moody"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.browser"]  # noqa: F405
