"""Files in an S3-compatible store: Lumi's manners on top of django-storages."""

import time
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from lumi.files import FOR_EVER, content_type, disposition, is_public

SAME_FOR = 3600  # seconds in which an address is not signed anew
MOST_ADDRESSES = 4096  # remembered


class Store(S3Storage):
    """The bucket."""

    file_overwrite = True  # no question before each save: keys are new, and to ask takes the right to list
    transfer_config = TransferConfig(use_threads=False)  # a large file takes 10 MB of memory; in threads it takes 100
    max_memory_size = 4 * 1024 * 1024  # of a file that is read; what is more of it goes to the disk

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.signed = lru_cache(MOST_ADDRESSES)(self.sign)

    @cached_property
    def connection(self) -> Any:
        """One for all threads: only its client and its bucket's name are used, and boto's clients may be shared. One a
        thread, as django-storages has it, costs 12 MB and a tenth of a second in every new thread."""
        return super().connection

    def get_default_settings(self) -> dict[str, Any]:
        """One more than django-storages': where everybody reads public files. Its own `custom_domain` would be for all
        files, and end the signing."""
        return {**super().get_default_settings(), "public_domain": ""}

    def copy(self, key: str, to: str) -> None:
        """By the store itself: no byte comes this way. Raises FileNotFoundError."""
        source = {"Bucket": self.bucket.name, "Key": self._normalize_name(clean_name(key))}
        try:
            self.bucket.Object(self._normalize_name(clean_name(to))).copy(
                source,
                ExtraArgs={"MetadataDirective": "REPLACE", **self.get_object_parameters(to)},
                Config=self.transfer_config,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(key) from error
            raise

    def get_object_parameters(self, name: str) -> dict[str, str]:
        """What the store says of a file to whoever fetches it: the same as the disk (`lumi.disk`)."""
        return {
            "ContentType": content_type(name),
            "ContentDisposition": disposition(name),
            # What lies under a key never changes.
            "CacheControl": FOR_EVER if is_public(name) else "private, max-age=86400",
        }

    def url(self, name: str, *args: Any, **options: Any) -> str:
        """Where a file lies: a public one at a plain address, if the bucket has a domain for them. A signed address
        stays the same for an hour, so that a browser which is told it again has the file in its cache; it is never told
        with less than the rest of its life."""
        if self.public_domain and is_public(name):
            return f"{self.public_domain}/{quote(name)}"
        if args or options:
            return str(super().url(name, *args, **options))
        return self.signed(name, int(time.time() // SAME_FOR))

    def sign(self, name: str, _period: int) -> str:
        """A new signed address."""
        return str(super().url(name))
