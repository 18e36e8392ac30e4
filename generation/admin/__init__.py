"""The staff's view: it reads; what it does, it does through the same doors as the API and `manage.py jobs`."""

from generation.admin import costs, jobs, requests, switches

__all__ = ["costs", "jobs", "requests", "switches"]
