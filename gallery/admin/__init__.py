"""The gallery's room for staff: the moderation queue, the desk of models, and what was said and decided about them."""

from gallery.admin import desk, records

__all__ = ["desk", "records"]
