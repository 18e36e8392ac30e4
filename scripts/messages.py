"""Sentences in templates, for Babel: what Django itself takes them for."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize


def extract(file: Any, keywords: Any, tags: Any, options: Any) -> Iterator[Any]:
    """A method of extraction, as pyproject.toml names it: `{% translate %}` and `{% blocktranslate %}`."""
    source = templatize(file.read().decode())
    yield from extract_python(BytesIO(source.encode()), keywords, tags, options)
