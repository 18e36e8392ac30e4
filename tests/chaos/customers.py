"""People who use a house over HTTP while it is being broken: what they are answered is counted."""

from collections import Counter
from io import BytesIO
from typing import Any
from uuid import uuid4

import requests
from PIL import Image

NO_ANSWER = 0
PATIENCE = 5.0


class Customer:
    """One person; the gateway vouches for their id."""

    def __init__(self, url: str, name: str = "", seen: "Counter[int] | None" = None) -> None:
        self.url = url
        self.name = name or f"p{uuid4().hex[:12]}"
        self.seen: Counter[int] = Counter() if seen is None else seen
        self.strange: list[str] = []

    def send(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """One call: the status, and the data. No connection, or one that broke, is NO_ANSWER."""
        headers = {"x-user-id": self.name, "Accept-Language": "en"} | more.pop("headers", {})
        try:
            answer = requests.request(method, f"{self.url}{path}", headers=headers, timeout=PATIENCE, **more)
        except requests.RequestException:
            self.seen[NO_ANSWER] += 1
            return NO_ANSWER, None
        self.seen[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self.strange.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        try:
            return answer.status_code, answer.json().get("data")
        except ValueError:
            return answer.status_code, None

    def ask_for(self, prompt: str, *, key: str = "", optimize: bool = False) -> str | None:
        """A new request; its id, or None."""
        headers = {"Idempotency-Key": key} if key else {}
        body = {"prompt": prompt, "optimizePrompt": optimize}
        status, data = self.send("POST", "/api/requests", json=body, headers=headers)
        return str(data["request"]["id"]) if status == 201 else None

    def bring_picture(self) -> str | None:
        """A request that starts with a picture; its id."""
        upload = {"file": ("picture.png", picture(), "image/png")}
        status, data = self.send("POST", "/api/requests/upload", files=upload, data={"prompt": "a cat"})
        return str(data["request"]["id"]) if status == 201 else None

    def choose(self, request_id: str, index: int = 0, *, key: str = "") -> int:
        """Have a model built; the status of the answer."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.send("POST", "/api/models", json={"requestId": request_id, "imageIndex": index}, headers=headers)[0]

    def look_at(self, request_id: str) -> Any:
        """The request, or None."""
        return self.send("GET", f"/api/requests/{request_id}")[1]

    def cancel(self, request_id: str) -> int:
        """Stop it; the status of the answer."""
        return self.send("POST", f"/api/requests/{request_id}/cancel")[0]

    def delete(self, request_id: str) -> int:
        """Throw it away; the status of the answer."""
        return self.send("DELETE", f"/api/requests/{request_id}")[0]


def picture() -> bytes:
    """A small PNG."""
    out = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    return out.getvalue()
