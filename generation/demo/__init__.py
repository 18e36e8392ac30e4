"""The slot DEMO_DATA of generation: requests with their pictures, jobs, paid calls and history, and models with a past,
written in the order of time. See `lumi.demo`."""

from generation.demo.filling import fill
from generation.demo.removing import remove

__all__ = ["fill", "remove"]
