"""Hunyuan 3D: what is the same by both of its doors, Tencent Cloud's API and TokenHub.

What a picture may be, what the codes mean, what the results are called, and that a job which fails is not charged.
"""

import base64
import math
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from providers import results
from providers.base import (
    Billed,
    Fault,
    FileRole,
    JobState,
    ModelOrder,
    ProviderError,
    RemoteFile,
    Report,
    ResultFile,
)
from providers.http import (
    BUSY,
    DOWN,
    INVALID,
    KEY,
    MONEY,
    NONSENSE,
    REFUSED,
    THROTTLED,
    UNCLEAR,
    Answer,
    Verdict,
    by_status,
    scrub,
)

HOSTS = ("myqcloud.com", "tencentcos.cn")
MOST_BYTES = 6_000_000  # before base64
LEAST_SIDE, MOST_SIDE = 128, 5000
FORMATS = ("JPEG", "PNG", "WEBP")
KEPT = (FileRole.OBJ, FileRole.GLB, FileRole.STL)  # of the kinds of file that a job may have made
LONGEST_ID = 200

LOST = Verdict(fault=Fault.JOB_LOST, permanent=True)
OFFLINE = Verdict(fault=Fault.UNAVAILABLE, permanent=True)  # this call is sold no longer, or not to this account

# By code, or by the beginning of one. An error answers no job: UNCLEAR only where the vendor failed in mid-work.
CODES = {
    "RequestLimitExceeded.JobNumExceed": BUSY,
    "RequestLimitExceeded": THROTTLED,
    "LimitExceeded": THROTTLED,
    "ResourceInUse": BUSY,
    "InternalError": UNCLEAR,
    "ServiceUnavailable": DOWN,
    "AuthFailure": KEY,
    "UnauthorizedOperation": KEY,
    "OperationDenied": KEY,
    "OperationDenied.ImageIllegalDetected": REFUSED,
    "OperationDenied.TextIllegalDetected": REFUSED,
    "IpInBlacklist": KEY,
    "IpNotInWhitelist": KEY,
    "ResourceInsufficient": MONEY,
    "ResourceUnavailable": MONEY,
    "ResourcesSoldOut": MONEY,
    "InvalidParameter": INVALID,
    "InvalidParameterValue": INVALID,
    "InvalidRequest": INVALID,
    "MissingParameter": INVALID,
    "UnknownParameter": INVALID,
    "RequestSizeLimitExceeded": INVALID,
    "FailedOperation": UNCLEAR,
    "FailedOperation.DownloadError": INVALID,
    "FailedOperation.ImageDownloadError": INVALID,
    "FailedOperation.ImageDecodeFailed": INVALID,
    "FailedOperation.ImageSizeExceed": INVALID,
    "FailedOperation.ImageResolutionExceed": INVALID,
    "FailedOperation.ModerationFailed": REFUSED,
    "FailedOperation.JobNotExist": LOST,
    "FailedOperation.JobNotFound": LOST,
    "ResourceNotFound": LOST,
    "InvalidAction": OFFLINE,
    "ActionOffline": OFFLINE,
    "NoSuchProduct": OFFLINE,
    "NoSuchVersion": OFFLINE,
    "UnsupportedOperation": OFFLINE,
    "UnsupportedProtocol": OFFLINE,
    "UnsupportedRegion": OFFLINE,
}


class Hunyuan:
    """What a provider of Hunyuan 3D does, whatever the door."""

    product = "credit"
    resubmit_is_free = False

    def cannot(self, order: ModelOrder) -> str:
        """Why this order is beyond the provider, or ""."""
        return why_not(order.image)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the results into the empty `folder`. Raises ProviderError."""
        return results.fetch(files, folder, hosts=HOSTS)

    def cancel(self, ref: str) -> None:
        """There is no such call: a job that nobody wants runs to its end."""


def verdict_of(code: str) -> Verdict | None:
    """What a code means, by the longest beginning that is known; None where nothing of it is."""
    while code and code not in CODES:
        code = code.rpartition(".")[0]
    return CODES.get(code)


def verdict_on_a_stranger(answer: Answer) -> Verdict:
    """What an answer means that is not in the vendor's shape, but a gateway's on the way. Never that the order is wrong
    or that there is no such job: of that a gateway knows nothing."""
    verdict = by_status(answer)
    return NONSENSE if verdict in (None, INVALID) else verdict


# --- What goes there ------------------------------------------------------------------------------------------------


def why_not(image: bytes) -> str:
    """Why a picture is not taken, or "". Its header is read, not its pixels."""
    if len(image) > MOST_BYTES:
        return f"a picture larger than {MOST_BYTES // 1_000_000} MB"
    try:
        with Image.open(BytesIO(image), formats=FORMATS) as picture:
            sides = picture.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        sides = (MOST_SIDE + 1, MOST_SIDE + 1)
    except (OSError, ValueError, SyntaxError):
        return "a picture that is no JPEG, PNG or WebP"
    if min(sides) < LEAST_SIDE or max(sides) > MOST_SIDE:
        return f"a picture with a side that is not {LEAST_SIDE} to {MOST_SIDE} pixels"
    return ""


def encoded(image: bytes) -> str:
    """A picture as it is sent: bare base64, without "data:" before it."""
    return base64.b64encode(image).decode()


# --- What comes back ------------------------------------------------------------------------------------------------


def id_in(said: dict[str, Any], name: str) -> str:
    """The id of a job that was just ordered. Raises ProviderError: without it nobody knows what has become of it."""
    found = said.get(name)
    if isinstance(found, str) and 0 < len(found) <= LONGEST_ID:
        return found
    raise ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence=scrub(f"no job id in {said}"))


def plain(entry: Any) -> dict[str, Any]:
    """An object's members, by names spelt one way: the doors say `PreviewImageUrl` and `preview_image_url`."""
    members = entry.items() if isinstance(entry, dict) else ()
    return {str(name).replace("_", "").lower(): value for name, value in members}


def files_of(listed: Any) -> tuple[RemoteFile, ...]:
    """The results of a finished job: the meshes that are kept, the first of each kind, and one preview. Raises
    ProviderError where there is no mesh."""
    entries = [plain(entry) for entry in listed] if isinstance(listed, list) else []
    meshes = {role: url for entry in reversed(entries) if (role := role_of(entry)) and (url := text(entry, "url"))}
    if not meshes:
        raise ProviderError(Fault.BAD_ANSWER, evidence=scrub(f"done, but no mesh in {listed}"))
    previews = [url for entry in entries if (url := text(entry, "previewimageurl"))]
    found = [RemoteFile(role=role, url=meshes[role]) for role in KEPT if role in meshes]
    return (*found, *(RemoteFile(role=FileRole.PREVIEW, url=url) for url in previews[:1]))


def role_of(entry: dict[str, Any]) -> FileRole | None:
    """What a result is, or None for kinds that are not kept (GIF, FBX, POSTPROCESS_OBJ)."""
    return next((role for role in KEPT if role == text(entry, "type").lower()), None)


def text(entry: dict[str, Any], name: str) -> str:
    """A member that is text; "" where it is not."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def credits_in(value: Any, otherwise: float) -> float:
    """The credits that an answer names, or what such a job costs by the price list."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value >= 0 else otherwise


def failed(ref: str, code: str, message: str) -> Report:
    """A job that was taken and came to nothing, which is not charged. The picture is to blame where the code says so,
    else another try may do."""
    known = verdict_of(code)
    about = known if known in (INVALID, REFUSED, LOST) else Verdict(fault=Fault.JOB_FAILED)
    evidence = scrub(f"{code}: {message}")
    error = ProviderError(about.fault, permanent=about.permanent, evidence=evidence)
    return Report(state=JobState.FAILED, ref=ref, error=error)


def lost(ref: str, evidence: str) -> Report:
    """A job that the vendor knows nothing of: older than a day, or another account's."""
    error = ProviderError(Fault.JOB_LOST, permanent=True, billed=Billed.UNKNOWN, evidence=evidence)
    return Report(state=JobState.FAILED, ref=ref, error=error)
