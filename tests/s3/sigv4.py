"""Signature version 4 as a strict store checks it, of headers and of addresses. Written from Amazon's description and
not with boto's code: what both agree on is right."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qsl, quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = timedelta(minutes=15)
LONGEST = 7 * 86_400  # seconds that a presigned address may live
UNSIGNED = "UNSIGNED-PAYLOAD"


class Refused(Exception):
    """The store's "no": HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire: `path` and `query` still encoded, header names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def parameters(self) -> dict[str, str]:
        """The query, decoded."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def is_signed(self) -> bool:
        """Whether it says who asks, in any way there is."""
        return "authorization" in self.headers or not {"X-Amz-Signature", "Signature"}.isdisjoint(self.parameters)


@dataclass(frozen=True)
class Claim:
    """What a request says of its own signature. `scope`: key id, date, region, "s3", "aws4_request"."""

    scope: list[str]
    signed: list[str]
    signature: str
    time: str
    payload: str

    @classmethod
    def of_headers(cls, asked: Asked) -> Self:
        """From the header Authorization. Raises Refused."""
        algorithm, _, rest = asked.headers["authorization"].partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if algorithm != ALGORITHM or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            raise Refused(400, "InvalidRequest", f"This mechanism is not supported. Please use {ALGORITHM}.")
        return cls(
            scope=parts["Credential"].split("/"),
            signed=parts["SignedHeaders"].split(";"),
            signature=parts["Signature"],
            time=asked.headers.get("x-amz-date", ""),
            payload=asked.headers.get("x-amz-content-sha256", ""),
        )

    @classmethod
    def of_address(cls, asked: Asked) -> Self:
        """From the query of a presigned address. Raises Refused."""
        said = asked.parameters
        if said.get("X-Amz-Algorithm") != ALGORITHM:
            raise Refused(400, "InvalidRequest", f"This mechanism is not supported. Please use {ALGORITHM}.")
        return cls(
            scope=said["X-Amz-Credential"].split("/"),
            signed=said["X-Amz-SignedHeaders"].split(";"),
            signature=said["X-Amz-Signature"],
            time=said["X-Amz-Date"],
            payload=UNSIGNED,
        )

    @property
    def moment(self) -> datetime:
        """When it was signed. Raises Refused."""
        try:
            return datetime.strptime(self.time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise Refused(403, "AccessDenied", "AWS authentication requires a valid Date.") from error


def check(asked: Asked, keys: Mapping[str, str], region: str, now: datetime) -> None:
    """That a signed request comes from the owner of one of the `keys` (secret by id). Raises Refused."""
    if "authorization" in asked.headers:
        claim = Claim.of_headers(asked)
        if abs(now - claim.moment) > SKEW:
            raise Refused(403, "RequestTimeTooSkewed", "The difference between the request time and ours is too large.")
    else:
        claim = Claim.of_address(asked)
        check_life(asked, claim, now)
    check_scope(claim, keys, region)
    check_signed(asked, claim)
    wanted = signature(asked, claim, keys[claim.scope[0]])
    if not hmac.compare_digest(wanted, claim.signature):
        raise Refused(403, "SignatureDoesNotMatch", "The signature we calculated does not match the one you provided.")
    if claim.payload not in (UNSIGNED, hashlib.sha256(asked.body).hexdigest()):
        raise Refused(400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match the content.")


def check_life(asked: Asked, claim: Claim, now: datetime) -> None:
    """That a presigned address is alive. Raises Refused."""
    life = int(asked.parameters.get("X-Amz-Expires", "0"))
    if not 0 < life <= LONGEST:
        raise Refused(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and a week.")
    if now - claim.moment > timedelta(seconds=life):
        raise Refused(403, "AccessDenied", "Request has expired")
    if claim.moment - now > SKEW:
        raise Refused(403, "AccessDenied", "Request is not valid yet")


def check_scope(claim: Claim, keys: Mapping[str, str], region: str) -> None:
    """Whose signature it is, and for what. Raises Refused."""
    key_id, *scope = claim.scope
    if key_id not in keys:
        raise Refused(403, "InvalidAccessKeyId", "The access key id you provided does not exist in our records.")
    if scope != [claim.time[:8], region, "s3", "aws4_request"]:
        raise Refused(400, "AuthorizationHeaderMalformed", f"The credential scope is wrong; expecting '{region}'.")


def check_signed(asked: Asked, claim: Claim) -> None:
    """That whatever could change the meaning is signed. Raises Refused."""
    needed = {"host", *(name for name in asked.headers if name.startswith("x-amz-"))}
    if needed - set(claim.signed):
        raise Refused(403, "AccessDenied", "There were headers present in the request which were not signed.")


def signature(asked: Asked, claim: Claim, secret: str) -> str:
    """What the signature must be, in hexadecimal."""
    scope = claim.scope[1:]
    digest = hashlib.sha256(canonical(asked, claim).encode()).hexdigest()
    to_sign = "\n".join([ALGORITHM, claim.time, "/".join(scope), digest])
    key = f"AWS4{secret}".encode()
    for word in [*scope, to_sign]:
        key = hmac.digest(key, word.encode(), "sha256")
    return key.hex()


def canonical(asked: Asked, claim: Claim) -> str:
    """The request in the one form that both sides sign."""
    pairs = [(name, value) for name, value in parse_qsl(asked.query, keep_blank_values=True)]
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "\n".join(
        [
            asked.method,
            quote(unquote_to_bytes(asked.path), safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in query if name != "X-Amz-Signature"),
            *(f"{name}:{' '.join(asked.headers.get(name, '').split())}" for name in claim.signed),
            "",
            ";".join(claim.signed),
            claim.payload,
        ]
    )
