"""System checks: each mistake of the configuration has an id and names the variable, and none names a secret."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lumi.settings import table
from providers import checks

ROOT = Path(__file__).parents[2]
KEYS = {"ALIYUN", "QWEN", "SILICONFLOW", "TENCENT", "TOKENHUB", "MESHY"}
PRICES = {
    "aliyun:qwen-image-plus": 0.2, "aliyun:Tripo/Tripo-P1.0": 1, "siliconflow:Qwen/Qwen-Image": 0.3,
    "siliconflow:Kwai-Kolors/Kolors": 0.0, "qwen:qwen-plus:in": 0.8, "qwen:qwen-plus:out": 2, "tencent:credit": 0.12,
    "tokenhub:credit": 0.12, "meshy:credit": 0.14,
}  # fmt: skip


@pytest.fixture(autouse=True)
def sound(settings: Any) -> None:
    """A configuration with which nothing is wrong, whatever the environment says."""
    for name in KEYS:
        account = getattr(settings, name) | {"key": "sk-canary-0123456789"}
        setattr(settings, name, account | ({"id": "AKIDcanary"} if "id" in account else {}))
    settings.LLM_PROVIDERS, settings.IMAGE_PROVIDERS, settings.MODEL_PROVIDERS = ["offline"], ["offline"], ["offline"]
    settings.PRICES, settings.OWN_PRICES = PRICES, {}
    settings.BUDGETS = settings.OWN_LIMITS = {}
    settings.RESULTS_FROM_LOOPBACK = settings.HTTPS = False
    settings.S3_BUCKET, settings.PUBLIC_URL = "", "https://lumi.example.com"


def change(settings: Any, changes: dict[str, Any]) -> None:
    """`{"IMAGE_PROVIDERS": [...], "ALIYUN.key": ""}`."""
    for name, value in changes.items():
        setting, _, member = name.partition(".")
        setattr(settings, setting, getattr(settings, setting) | {member: value} if member else value)


def found() -> list[tuple[str, str]]:
    """Ids and all that is told, without the common beginning of the ids."""
    return [(one.id.removeprefix("providers."), f"{one.msg} {one.hint or ''}") for one in checks.check_providers()]


EVERYTHING = {
    "LLM_PROVIDERS": ["qwen"],
    "IMAGE_PROVIDERS": ["aliyun", "siliconflow"],
    "MODEL_PROVIDERS": ["tencent", "tokenhub", "aliyun", "meshy"],
}


class TestSound:
    def test_a_new_machine(self) -> None:
        assert found() == []

    def test_every_vendor(self, settings: Any) -> None:
        change(settings, EVERYTHING)
        assert found() == []

    def test_with_tables(self, settings: Any) -> None:
        change(settings, EVERYTHING)
        settings.OWN_PRICES = {"aliyun:wan2.5-t2i-preview": 0, "qwen:qwen-max:in": 2.4}
        settings.BUDGETS = {"aliyun": 500, "tencent": 0.5, "offline": 0}
        settings.OWN_LIMITS = {"image": {"siliconflow": {"per_minute": 2, "poll_every": 0.5}}, "model": {}}
        assert found() == []


@pytest.mark.parametrize(
    ("changes", "number", "told"),
    [
        ({"LLM_PROVIDERS": []}, "E001", "LUMI_LLM_PROVIDERS"),
        ({"IMAGE_PROVIDERS": ["aliyun", "aliyum"]}, "E002", "aliyum"),
        ({"MODEL_PROVIDERS": ["qwen"]}, "E002", "LUMI_MODEL_PROVIDERS"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "ALIYUN.key": ""}, "E003", "LUMI_ALIYUN_API_KEY"),
        ({"LLM_PROVIDERS": ["qwen"], "QWEN.key": ""}, "E003", "LUMI_QWEN_API_KEY"),
        ({"IMAGE_PROVIDERS": ["siliconflow"], "SILICONFLOW.key": ""}, "E003", "LUMI_SILICONFLOW_API_KEY"),
        ({"MODEL_PROVIDERS": ["tencent"], "TENCENT.key": ""}, "E003", "LUMI_TENCENT_SECRET_KEY"),
        ({"MODEL_PROVIDERS": ["tencent"], "TENCENT.id": ""}, "E003", "LUMI_TENCENT_SECRET_ID"),
        ({"MODEL_PROVIDERS": ["offline", "tokenhub"], "TOKENHUB.key": ""}, "E003", "LUMI_TOKENHUB_API_KEY"),
        ({"MODEL_PROVIDERS": ["meshy"], "MESHY.key": ""}, "E003", "LUMI_MESHY_API_KEY"),
        ({"IMAGE_PROVIDERS": ["siliconflow"], "SILICONFLOW.image_batch": 2}, "E004", "Kwai-Kolors/Kolors"),
        ({"IMAGE_PROVIDERS": ["siliconflow"], "SILICONFLOW.image_batch": 5}, "E004", "1 to 4"),
        ({"IMAGE_PROVIDERS": ["siliconflow"], "SILICONFLOW.image_batch": 0}, "E004", "1 to 4"),
        ({"MODEL_PROVIDERS": ["tencent"], "TENCENT.edition": "turbo"}, "E004", "pro, rapid"),
        ({"MODEL_PROVIDERS": ["tokenhub"], "TOKENHUB.model": "hy-3d"}, "E004", "hy-3d-3.0"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "ALIYUN.image_size": "1472*1140"}, "E004", "1472*1104"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "ALIYUN.image_size": "1328x1328"}, "E004", "LUMI_ALIYUN_IMAGE_SIZE"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "ALIYUN.url": "dashscope.aliyuncs.com"}, "E004", "LUMI_ALIYUN_URL"),
        ({"MODEL_PROVIDERS": ["tencent"], "TENCENT.url": "ftp://x"}, "E004", "LUMI_TENCENT_URL"),
        ({"LLM_PROVIDERS": ["qwen"], "QWEN.url": ""}, "E004", "LUMI_QWEN_URL"),
        ({"OWN_PRICES": {"": [1]}}, "E005", "LUMI_PRICES is not a JSON object"),
        ({"OWN_PRICES": {"aliyun": 1}}, "E005", "aliyun"),
        ({"OWN_PRICES": {"aliyum:qwen-image": 1}}, "E005", "aliyum"),
        ({"OWN_PRICES": {"aliyun:qwen-image": "0.2"}}, "E005", "aliyun:qwen-image"),
        ({"OWN_PRICES": {"aliyun:qwen-image": -0.2}}, "E005", "aliyun:qwen-image"),
        ({"OWN_PRICES": {"aliyun:qwen-image": True}}, "E005", "aliyun:qwen-image"),
        ({"OWN_PRICES": {"aliyun:qwen-image": float("nan")}}, "E005", "aliyun:qwen-image"),
        ({"BUDGETS": {"": "500"}}, "E005", "LUMI_BUDGETS is not a JSON object"),
        ({"BUDGETS": {"aliyum": 500}}, "E005", "aliyum"),
        ({"BUDGETS": {"aliyun": -1}}, "E005", "aliyun"),
        ({"BUDGETS": {"aliyun": None}}, "E005", "aliyun"),
        ({"BUDGETS": {"aliyun": float("inf")}}, "E005", "aliyun"),
        ({"OWN_LIMITS": {"": 3}}, "E005", "LUMI_PROVIDER_LIMITS is not a JSON object"),
        ({"OWN_LIMITS": {"images": {}}}, "E005", "images"),
        ({"OWN_LIMITS": {"llm": {"qwen": {"per_minute": 1}}}}, "E005", "llm"),
        ({"OWN_LIMITS": {"image": 3}}, "E005", "image"),
        ({"OWN_LIMITS": {"image": {"tencent": {"at_once": 1}}}}, "E005", "tencent"),
        ({"OWN_LIMITS": {"image": {"aliyun": 3}}}, "E005", "aliyun"),
        ({"OWN_LIMITS": {"image": {"aliyun": {"per_hour": 3}}}}, "E005", "per_hour"),
        ({"OWN_LIMITS": {"image": {"aliyun": {"at_once": 0}}}}, "E005", "at_once"),
        ({"OWN_LIMITS": {"image": {"aliyun": {"at_once": "3"}}}}, "E005", "at_once"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "BUDGETS": {"aliyun": 9}, "PRICES": {}}, "E006", "aliyun:qwen-image-plus"),
        ({"IMAGE_PROVIDERS": ["aliyun"], "PRICES": {}}, "W003", "aliyun:qwen-image-plus"),
        ({"MODEL_PROVIDERS": ["tencent"], "PRICES": {}}, "W003", "tencent:credit"),
        ({"LLM_PROVIDERS": ["qwen"], "PRICES": {"qwen:qwen-plus:in": 1}}, "W003", "qwen:qwen-plus:out"),
        ({"RESULTS_FROM_LOOPBACK": True, "HTTPS": True}, "W004", "LUMI_RESULTS_FROM_LOOPBACK"),
        ({"MODEL_PROVIDERS": ["aliyun"], "PUBLIC_URL": ""}, "W005", "LUMI_PUBLIC_URL"),
        ({"MODEL_PROVIDERS": ["aliyun"], "PUBLIC_URL": "http://192.168.1.5"}, "W005", "LUMI_PUBLIC_URL"),
        ({"IMAGE_PROVIDERS": ["aliyun", "offline"]}, "W006", "LUMI_IMAGE_PROVIDERS"),
        ({"LLM_PROVIDERS": ["qwen", "offline"]}, "W006", "LUMI_LLM_PROVIDERS"),
    ],
)
def test_a_mistake_is_named_once(settings: Any, changes: dict[str, Any], number: str, told: str) -> None:
    change(settings, changes)
    ((found_number, found_text),) = found()
    assert found_number == number
    assert told in found_text
    assert "canary" not in found_text


@pytest.mark.parametrize(
    "changes",
    [
        {"ALIYUN.key": "", "ALIYUN.url": "nonsense", "ALIYUN.image_size": "x", "TENCENT.edition": "x"},  # none is used
        {"IMAGE_PROVIDERS": ["siliconflow"], "SILICONFLOW.image_batch": 4,
         "SILICONFLOW.image_model": "Kwai-Kolors/Kolors"},
        {"IMAGE_PROVIDERS": ["aliyun"], "ALIYUN.image_model": "qwen-image-2.0", "ALIYUN.image_size": "2048*2048",
         "PRICES": {"aliyun:qwen-image-2.0": 0.2}},
        {"IMAGE_PROVIDERS": ["offline", "aliyun"]},
        {"RESULTS_FROM_LOOPBACK": True},
        {"MODEL_PROVIDERS": ["aliyun"], "PUBLIC_URL": "http://127.0.0.1:8000", "RESULTS_FROM_LOOPBACK": True},
    ],
)  # fmt: skip
def test_no_mistake(settings: Any, changes: dict[str, Any]) -> None:
    change(settings, changes)
    assert found() == []


@pytest.mark.parametrize(
    ("options", "is_fetchable"),
    [
        ({}, True),  # Amazon's own
        ({"endpoint_url": "https://cos.ap-guangzhou.myqcloud.com"}, True),
        ({"endpoint_url": "http://minio:9000"}, False),
        ({"endpoint_url": "http://10.0.0.7:9000"}, False),
        ({"endpoint_url": "http://10.0.0.7:9000", "custom_domain": "cdn.example.com"}, True),
        ({"custom_domain": "127.0.0.1:9000/lumi"}, False),
    ],
)
def test_pictures_in_a_store(settings: Any, options: dict[str, str], is_fetchable: bool) -> None:
    settings.S3_BUCKET, settings.PUBLIC_URL, settings.MODEL_PROVIDERS = "lumi", "", ["aliyun"]
    settings.STORAGES = {"default": {"BACKEND": "lumi.s3.Store", "OPTIONS": options}}
    assert [number for number, _ in found()] == ([] if is_fetchable else ["W005"])


# --- As an installation has it ----------------------------------------------------------------------------------------

SECRETS = {
    "LUMI_SECRET_KEY": "canary-secret-key-0123456789-0123456789-0123456789",
    "LUMI_ALIYUN_API_KEY": "sk-canary-aliyun",
    "LUMI_QWEN_API_KEY": "sk-canary-qwen",
    "LUMI_SILICONFLOW_API_KEY": "sk-canary-siliconflow",
    "LUMI_TENCENT_SECRET_ID": "AKIDcanaryid",
    "LUMI_TENCENT_SECRET_KEY": "canary-tencent",
    "LUMI_TOKENHUB_API_KEY": "sk-canary-tokenhub",
    "LUMI_MESHY_API_KEY": "msy_canary-meshy",
    "LUMI_S3_SECRET_KEY": "canary-s3",
    "LUMI_JWT_KEYS": "canary-jwt-0123456789-0123456789-0123456789",
    "EMAIL_URL": "smtp+tls://lumi:canary-mail@mail.example:587",
    "REDIS_URL": "redis://:canary-redis@127.0.0.1:1/0",
}
NOWHERE = {
    f"LUMI_{name}_URL": "http://127.0.0.1:1"
    for name in ("ALIYUN", "QWEN", "SILICONFLOW", "TENCENT", "TOKENHUB", "MESHY")
}
LISTS = {f"LUMI_{name}": ",".join(names) for name, names in EVERYTHING.items()}


@pytest.fixture(scope="module")
def manage(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`manage.py`, with these settings in its environment."""
    folder = tmp_path_factory.mktemp("data")

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LUMI_", "DATABASE_URL"))}
        env = clean | {"LUMI_DATA_DIR": str(folder)} | variables
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("words", [["check"], ["check", "--deploy"], ["diffsettings", "--all"], ["check_providers"]])
def test_no_command_prints_a_secret(manage: Any, words: list[str]) -> None:
    done = manage(*words, **SECRETS, **NOWHERE, **LISTS)
    printed = done.stdout + done.stderr
    assert "LUMI" in printed or "aliyun" in printed
    assert "canary" not in printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}), ("{}", {}), ('{"aliyun": 5}', {"aliyun": 5}), ("[1]", {"": [1]}), ("null", {"": None}),
        ("{", {"": "{"}), ("aliyun=5", {"": "aliyun=5"}),
    ],
)  # fmt: skip
def test_a_table_in_a_variable(text: str, expected: dict[str, Any]) -> None:
    assert table(text) == expected


def test_one_that_is_none_is_a_finding_and_no_crash(manage: Any) -> None:
    variables = ("LUMI_PRICES", "LUMI_BUDGETS", "LUMI_PROVIDER_LIMITS")
    done = manage("check", **dict(zip(variables, ("[1]", "{", "aliyun=5"), strict=True)))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    for variable in variables:
        assert f"(providers.E005) {variable} is not a JSON object." in done.stderr


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", {"siliconflow": {"per_minute": 2}, "aliyun": {"at_once": 2}}),
        ('{"image": {"aliyun": {"at_once": 9}}}', {"siliconflow": {"per_minute": 2}, "aliyun": {"at_once": 9}}),
        ('{"image": 5}', {"siliconflow": {"per_minute": 2}, "aliyun": {"at_once": 2}}),
    ],
)
def test_own_limits_come_before_those_of_the_smallest_accounts(manage: Any, own: str, expected: Any) -> None:
    code = "from django.conf import settings; print(settings.PROVIDER_LIMITS['image'])"
    assert manage("shell", "-v0", "-c", code, LUMI_PROVIDER_LIMITS=own).stdout.strip() == str(expected)


def test_own_prices_come_before_those_of_the_settings(manage: Any) -> None:
    own = json.dumps({"aliyun:qwen-image-plus": 0.19, "siliconflow:Qwen/Qwen-Image": 0.3})
    code = "from django.conf import settings; print(settings.PRICES)"
    printed = manage("shell", "-v0", "-c", code, LUMI_PRICES=own).stdout
    for expected in ("'aliyun:qwen-image-plus': 0.19", "'siliconflow:Qwen/Qwen-Image': 0.3", "'tencent:credit': 0.12"):
        assert expected in printed
