"""The journey of the generated Python client: `python journey.py URL MAILS`, with the client's folder on PYTHONPATH.

MAILS: the folder that the installation writes its mails to. Every answer is a typed object, or this stops.
"""

import sys
import time
from email import message_from_bytes
from pathlib import Path
from typing import Any, TypeVar

import httpx
from lumi_client import AuthenticatedClient, Client
from lumi_client.api.accounts import me, register, send_code
from lumi_client.api.interactions import list_liked_models, toggle_like
from lumi_client.api.models import create_model, download_model, get_model, list_public_models, publish_model
from lumi_client.api.requests import create_request, get_request
from lumi_client.models import (
    CreateModelAnswer,
    CreateRequestAnswer,
    DownloadModelAnswer,
    Fail,
    FailCode,
    FormatRequest,
    GetModelAnswer,
    GetRequestAnswer,
    ListLikedModelsAnswer,
    ListPublicModelsAnswer,
    ListPublicModelsSortBy,
    MeAnswer,
    PublishModelAnswer,
    RegisterAnswer,
    RegisterRequest,
    Request,
    RequestStatusEnum,
    SelectRequest,
    SendCodeAnswer,
    SendCodeRequest,
    StartRequest,
    ToggleLikeAnswer,
    TypeEnum,
    VisibilityEnum,
)

T = TypeVar("T")
EMAIL = "python@example.com"
LONG_ENOUGH = 120  # seconds: a bound for what must happen


def good(answer: Any, kind: type[T]) -> T:
    """The answer, if it is of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def main(url: str, mails: Path) -> None:
    """From the sign-up to the download."""
    nobody = Client(base_url=url, raise_on_unexpected_status=True)
    person = signed_up(url, nobody, mails)
    request = made_by(person)
    model_id = chosen_by(person, request)
    published = good(publish_model.sync(model_id, client=person), PublishModelAnswer).data
    assert published.visibility == VisibilityEnum.PUBLIC
    shown = list_public_models.sync_detailed(client=nobody, sort_by=ListPublicModelsSortBy.LATEST)
    assert model_id in [model.id for model in good(shown.parsed, ListPublicModelsAnswer).data]
    assert int(shown.headers["X-Total-Count"]) >= 1
    liked = good(toggle_like.sync(model_id, client=person), ToggleLikeAnswer).data
    assert (liked.liked, liked.like_count) == (True, 1)
    assert len(good(list_liked_models.sync(client=person), ListLikedModelsAnswer).data) == 1
    taken_home(nobody, model_id)
    refused(nobody)


def signed_up(url: str, nobody: Client, mails: Path) -> AuthenticatedClient:
    """A new person, by the code in the mail."""
    asked = SendCodeRequest(email=EMAIL, type_=TypeEnum.REGISTER)
    good(send_code.sync(client=nobody, body=asked), SendCodeAnswer)
    (mail,) = [mail for mail in map(read, mails.glob("*.eml")) if mail["To"] == EMAIL]
    account = RegisterRequest(email=EMAIL, code=mail["X-Lumi-Code"], name="Pat")
    signed_in = good(register.sync(client=nobody, body=account), RegisterAnswer).data
    client = AuthenticatedClient(
        base_url=url, token=signed_in.token.removeprefix("Bearer "), raise_on_unexpected_status=True
    )
    assert good(me.sync(client=client), MeAnswer).data.user.name == "Pat"
    return client


def read(path: Path) -> Any:
    """A mail."""
    return message_from_bytes(path.read_bytes())


def made_by(person: AuthenticatedClient) -> Request:
    """A request whose pictures are there."""
    wanted = StartRequest(prompt="a small cat")
    made = create_request.sync(client=person, body=wanted, idempotency_key="journey-1")
    request = good(made, CreateRequestAnswer).data.request
    assert request.status == RequestStatusEnum.IMAGE_PENDING
    request = waited_for(person, request.id, RequestStatusEnum.IMAGE_COMPLETED)
    assert [image.index for image in request.images] == [0, 1, 2, 3]
    return request


def waited_for(person: AuthenticatedClient, request_id: str, status: RequestStatusEnum) -> Request:
    """The request, once it has this status."""
    until = time.monotonic() + LONG_ENOUGH
    while time.monotonic() < until:
        request = good(get_request.sync(request_id, client=person), GetRequestAnswer).data
        if request.status == status:
            return request
        time.sleep(0.2)
    raise AssertionError(f"never {status}: {request}")


def chosen_by(person: AuthenticatedClient, request: Request) -> str:
    """The model of one of the pictures; its id."""
    choice = SelectRequest(request_id=request.id, image_index=2)
    model = good(create_model.sync(client=person, body=choice), CreateModelAnswer).data.model
    finished = waited_for(person, request.id, RequestStatusEnum.COMPLETED)
    assert finished.model is not None
    assert finished.selected_image_index == 2
    return model.id


def taken_home(nobody: Client, model_id: str) -> None:
    """Its file in another format."""
    file = good(
        download_model.sync(model_id, client=nobody, body=FormatRequest(format_="STL")), DownloadModelAnswer
    ).data
    content = httpx.get(file.url).raise_for_status().content
    assert len(content) == file.file_size
    assert good(get_model.sync(model_id, client=nobody), GetModelAnswer).data.download_count == 1


def refused(nobody: Client) -> None:
    """A failure is typed as well."""
    assert good(get_model.sync("none", client=nobody), Fail).data.code == FailCode.NOT_FOUND


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
