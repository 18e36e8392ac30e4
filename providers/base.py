"""The providers' contract: the outside world in Lumi's words.

Three small contracts (`LanguageModel`, `ImageProvider`, `ModelProvider`), the values they exchange and the one error
they raise. A vendor's own words (status names, error codes, URLs' hosts) stop in that vendor's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable


class Fault(StrEnum):
    """What went wrong, in words that generation can act on and staff can count."""

    INVALID_INPUT = "INVALID_INPUT"  # the order itself is wrong: too long, an unreadable picture
    CONTENT_REFUSED = "CONTENT_REFUSED"  # moderation at the vendor
    AUTHENTICATION = "AUTHENTICATION"  # key missing, wrong, expired or not allowed to do this
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"  # no balance or allowance left: money, not speed
    RATE_LIMITED = "RATE_LIMITED"  # too fast; nothing was accepted
    BUSY = "BUSY"  # all of the account's slots are taken; nothing was accepted
    UNAVAILABLE = "UNAVAILABLE"  # the vendor is down or answers 5xx
    NETWORK = "NETWORK"  # no connection, reset, time-out
    BAD_ANSWER = "BAD_ANSWER"  # an answer that cannot be understood
    JOB_LOST = "JOB_LOST"  # the vendor no longer knows the job
    JOB_FAILED = "JOB_FAILED"  # accepted, worked on, failed
    RESULT_GONE = "RESULT_GONE"  # the result's link has died


class Billed(StrEnum):
    """Whether the call that failed may have cost money."""

    NO = "NO"
    YES = "YES"
    UNKNOWN = "UNKNOWN"


class ProviderError(Exception):
    """The only exception that leaves a provider.

    `permanent`: trying the same order again cannot help. `retry_after`: seconds to wait, in the vendor's word, or None.
    `billed`: UNKNOWN on a submit means that the vendor may have accepted it; such a submit is never repeated by itself.
    `evidence`: the vendor's status and text for staff, without keys; never shown to a person who uses Lumi.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        billed: Billed = Billed.NO,
        evidence: str = "",
    ) -> None:
        super().__init__(f"{fault}: {evidence}" if evidence else str(fault))
        self.fault = fault
        self.permanent = permanent
        self.retry_after = retry_after
        self.billed = billed
        self.evidence = evidence

    @property
    def is_later(self) -> bool:
        """A plain "not now": nothing was accepted and no attempt was used up."""
        return self.fault in (Fault.RATE_LIMITED, Fault.BUSY) and not self.permanent


class JobState(StrEnum):
    """Where a job stands at the vendor."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class FileRole(StrEnum):
    """What a result file is."""

    IMAGE = "image"
    PREVIEW = "preview"
    OBJ = "obj"
    MTL = "mtl"
    TEXTURE = "texture"
    GLB = "glb"
    STL = "stl"
    FBX = "fbx"
    USDZ = "usdz"
    THREE_MF = "3mf"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A result as the vendor holds it: `role` a FileRole or a vendor's container ("zip"), `url` where it lies."""

    role: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """A result on this machine's disk, checked and unpacked: one file, one role."""

    role: FileRole
    path: Path


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a vendor says of a job, at submit or at a poll.

    `ref`: the vendor's id of the job ("" when it answers at once and has none). `progress`: 0..100 in the vendor's
    word, None when it gives none. `files`: the results, when DONE. `error`: why, when FAILED. `units`: what the vendor
    says that the job has used, in the units of its price (pictures, credits); None when it does not say.
    """

    state: JobState
    ref: str = ""
    progress: int | None = None
    files: tuple[RemoteFile, ...] = ()
    error: ProviderError | None = None
    units: float | None = None


@dataclass(frozen=True, kw_only=True)
class ImageOrder:
    """A picture to paint, or `count` of them from the same words, where the provider's `batch` allows it.

    `reference`: ours, one an attempt; `prompt`: at most 500 characters; `variant`: 0..3, which of the request's four
    pictures (the first, of several).
    """

    reference: str
    prompt: str
    variant: int = 0
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class ModelOrder:
    """One 3D model to build from a picture.

    `image`: the picture's bytes (PNG, JPEG or WebP); `image_url`: the same where the vendor may fetch it;
    `prompt`: the words that it was painted from; `name`: for file names.
    """

    reference: str
    prompt: str
    name: str
    image: bytes
    image_url: str


@dataclass(frozen=True, kw_only=True)
class LostSubmit:
    """A submit whose answer was lost. `sent_at`: when it was about to be sent; `known`: the vendor's ids of all jobs
    that are accounted for, so that no job is taken for two orders."""

    reference: str
    prompt: str
    sent_at: datetime
    known: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a language model answers: its raw text, and the tokens that the vendor counted (0 where it does not say)."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


class Provider(Protocol):
    """What all providers have in common.

    `name`: as in the settings. `product`: what is bought there, as in the price table ("qwen-image-plus").
    """

    name: str
    product: str

    def check(self) -> str:
        """Sign in by the cheapest call there is, which costs nothing; a few words on what was seen. Raises
        ProviderError."""
        ...


class LanguageModel(Provider, Protocol):
    """Answers one question with text."""

    def complete(self, *, system: str, prompt: str) -> Completion:
        """The model's answer to `prompt` under the rules of `system`. Raises ProviderError."""
        ...


Order_contra = TypeVar("Order_contra", contravariant=True)


class JobProvider(Provider, Protocol[Order_contra]):
    """Work that a vendor takes, does in its own time, and hands over as files.

    `resubmit_is_free`: submitting one reference twice costs nothing and does no harm, so that a submit whose outcome
    is unknown may be repeated. True of the offline providers; of no vendor so far. A provider that does not sell by the
    piece also has `usual_units`: what one order takes in the units of its price, until the vendor has said it.
    """

    resubmit_is_free: bool

    def cannot(self, order: Order_contra) -> str:
        """Why this order is beyond the provider ("a picture larger than 8 MB"), or "". Asks nobody."""
        ...

    def submit(self, order: Order_contra) -> Report:
        """Hand the order over: QUEUED or RUNNING with a `ref` to poll, or DONE at once. Raises ProviderError."""
        ...

    def poll(self, ref: str) -> Report:
        """How the job stands. A job that failed is a report; ProviderError means that the question failed.

        Answers within a third of a lease (20 seconds), or raises: it is asked for many jobs at once.
        """
        ...

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the results into the empty `folder`, checked and unpacked. Raises ProviderError."""
        ...

    def cancel(self, ref: str) -> None:
        """Stop the job if the vendor can; silent when it cannot. Raises ProviderError."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A provider that can be asked whether it has a job of ours, after a submit whose answer was lost."""

    def find(self, lost: LostSubmit) -> Report | None:
        """The job as it stands, or None: surely no such job. Raises ProviderError when it cannot tell (yet)."""
        ...


class ImageProvider(JobProvider[ImageOrder], Protocol):
    """Paints pictures: results are files of role IMAGE, as many as were ordered.

    `batch`: how many pictures of the same words one order may ask for; 1 for most. A provider with more answers at once
    (DONE, the files in order) and is not a LooksUp, which would know the first of the orders only.
    """

    batch: int


class ModelProvider(JobProvider[ModelOrder], Protocol):
    """Builds 3D models: results hold at least one of OBJ, GLB, STL; OBJ's MTL and texture; often a PREVIEW."""
