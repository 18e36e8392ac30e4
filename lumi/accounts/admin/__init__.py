"""People for staff: the people themselves, what staff do about them, and the rows that hang on them."""

from lumi.accounts.admin import people, rows

__all__ = ["people", "rows"]
