"""The loopback store refuses what real stores refuse: a storage that passes here is spoken to properly."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.s3.server import BUCKET, KEY_ID, REGION, SECRET, Store, demand
from tests.s3.sigv4 import Asked, Refused

Client = Any
Break = Callable[[str], str]


@pytest.fixture
def store() -> Iterator[Store]:
    """A private bucket, with one object."""
    with Store() as store:
        client_of(store).put_object(Bucket=BUCKET, Key="here.txt", Body=b"0123456789")
        yield store


def client_of(
    store: Store, *, secret: str = SECRET, key_id: str = KEY_ID, region: str = REGION, **config: Any
) -> Client:
    """Boto itself, with nothing of Lumi's."""
    checksums = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    words = {"signature_version": "s3v4", "retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}}
    session = boto3.Session(aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=region)
    return session.client("s3", endpoint_url=store.url, config=Config(**words | checksums | config))


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def presigned(client: Client, *, seconds: int = 60) -> str:
    """The address of the object."""
    return str(
        client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "here.txt"}, ExpiresIn=seconds)
    )


def with_parameters(address: str, **changes: str) -> str:
    """The same address, other parameters."""
    parts = urlsplit(address)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changes)).geturl()


class TestSignedHeaders:
    def test_whoever_has_the_secret_is_let_in(self, store: Store) -> None:
        assert client_of(store).get_object(Bucket=BUCKET, Key="here.txt")["Body"].read() == b"0123456789"

    @pytest.mark.parametrize(
        ("who", "code"),
        [
            ({"secret": "wrong"}, "SignatureDoesNotMatch"),
            ({"key_id": "AKIANOBODY"}, "InvalidAccessKeyId"),
            ({"region": "eu-central-1"}, "AuthorizationHeaderMalformed"),
            ({"signature_version": UNSIGNED}, "AccessDenied"),
            ({"signature_version": "s3"}, "InvalidRequest"),
        ],
    )
    def test_nobody_else_is(self, store: Store, who: dict[str, Any], code: str) -> None:
        client = client_of(store, **who)
        assert code_of(client.put_object, Bucket=BUCKET, Key="new.txt", Body=b"") == code
        assert code_of(client.list_objects_v2, Bucket=BUCKET) == code
        assert store.keys_there == ["here.txt"]

    @pytest.mark.parametrize("ahead", [timedelta(minutes=16), timedelta(minutes=-16)])
    def test_a_clock_that_is_wrong(self, store: Store, ahead: timedelta) -> None:
        store.ahead = ahead
        assert code_of(client_of(store).get_object, Bucket=BUCKET, Key="here.txt") == "RequestTimeTooSkewed"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"path": f"/{BUCKET}/there.txt"}, "SignatureDoesNotMatch"),
            ({"query": "acl="}, "SignatureDoesNotMatch"),
            ({"method": "DELETE"}, "SignatureDoesNotMatch"),
            ({"headers": {"x-amz-meta-a": "1"}}, "AccessDenied"),
            ({"data": b"other content"}, "XAmzContentSHA256Mismatch"),
        ],
    )
    def test_a_request_that_was_changed_on_its_way(self, store: Store, change: dict[str, Any], code: str) -> None:
        client_of(store).put_object(Bucket=BUCKET, Key="here.txt", Body=b"0123456789")
        seen = store.asked[-1]
        sent = {"method": seen.method, "path": seen.path, "query": "", "data": seen.body, "headers": {}} | change
        own = {name: seen.headers[name] for name in ("authorization", "x-amz-date", "x-amz-content-sha256")}
        signed = own | {name: seen.headers[name] for name in ("content-md5", "content-type") if seen.headers.get(name)}
        answer = requests.request(
            sent["method"],
            f"{store.url}{sent['path']}?{sent['query']}",
            data=sent["data"],
            headers=signed | sent["headers"],
            timeout=10,
        )
        assert f"<Code>{code}</Code>" in answer.text


class TestPresignedAddresses:
    def test_whoever_has_the_address_is_let_in(self, store: Store) -> None:
        assert requests.get(presigned(client_of(store)), timeout=10).content == b"0123456789"

    @pytest.mark.parametrize(
        ("break_it", "code"),
        [
            (lambda address: address.partition("?")[0], "AccessDenied"),
            (lambda address: address.replace("here.txt", "there.txt"), "SignatureDoesNotMatch"),
            (lambda address: with_parameters(address, **{"X-Amz-Expires": "600000"}), "SignatureDoesNotMatch"),
            (lambda address: with_parameters(address, **{"X-Amz-Signature": "0" * 64}), "SignatureDoesNotMatch"),
            (lambda address: f"{address}&response-content-type=text/html", "SignatureDoesNotMatch"),
        ],
    )
    def test_a_changed_one_is_refused(self, store: Store, break_it: Break, code: str) -> None:
        answer = requests.get(break_it(presigned(client_of(store))), timeout=10)
        assert answer.status_code == 403
        assert f"<Code>{code}</Code>" in answer.text

    def test_an_expired_one_is_refused(self, store: Store) -> None:
        address = presigned(client_of(store), seconds=60)
        store.ahead = timedelta(seconds=62)
        answer = requests.get(address, timeout=10)
        assert (answer.status_code, "Request has expired" in answer.text) == (403, True)

    def test_none_lives_longer_than_a_week(self, store: Store) -> None:
        assert requests.get(presigned(client_of(store), seconds=604_800), timeout=10).ok
        answer = requests.get(presigned(client_of(store), seconds=604_801), timeout=10)
        assert "AuthorizationQueryParametersError" in answer.text

    def test_a_wrong_secret_is_refused(self, store: Store) -> None:
        answer = requests.get(presigned(client_of(store, secret="wrong")), timeout=10)
        assert "SignatureDoesNotMatch" in answer.text


class TestWhatOtherStoresDoNotTake:
    def test_the_checksums_of_newer_sdks(self, store: Store) -> None:
        client = client_of(store, request_checksum_calculation="when_supported")
        assert code_of(client.put_object, Bucket=BUCKET, Key="a", Body=b"") == "NotImplemented"

    def test_access_control_lists(self, store: Store) -> None:
        refused = code_of(client_of(store).put_object, Bucket=BUCKET, Key="a", Body=b"", ACL="public-read")
        assert refused == "AccessControlListNotSupported"

    def test_deletion_of_many_without_a_sum(self, store: Store) -> None:
        objects = {"Objects": [{"Key": "here.txt"}]}
        assert code_of(client_of(store).delete_objects, Bucket=BUCKET, Delete=objects) == "NotImplemented"
        assert store.keys_there == ["here.txt"]
        with pytest.raises(Refused, match="Content-MD5"):
            demand(Asked("POST", f"/{BUCKET}", "delete=", {}))


class TestDials:
    def test_too_many_requests(self, store: Store) -> None:
        store.busy = 1
        assert code_of(client_of(store).get_object, Bucket=BUCKET, Key="here.txt") == "SlowDown"
        assert client_of(store).get_object(Bucket=BUCKET, Key="here.txt")

    def test_a_public_bucket_shows_objects_and_no_lists(self, store: Store) -> None:
        store.public = True
        assert requests.get(f"{store.url}/{BUCKET}/here.txt", timeout=10).content == b"0123456789"
        assert requests.get(f"{store.url}/{BUCKET}/", timeout=10).status_code == 403
        assert requests.put(f"{store.url}/{BUCKET}/new.txt", timeout=10).status_code == 403
        assert requests.delete(f"{store.url}/{BUCKET}/here.txt", timeout=10).status_code == 403

    def test_down(self, store: Store) -> None:
        store.down = True
        with pytest.raises(requests.ConnectionError):
            requests.get(store.url, timeout=10)
