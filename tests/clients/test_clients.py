"""Clients made by strangers' generators from docs/openapi.yaml compile, and go the whole way."""

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.stack import ROOT, Stack
from tests.services import program

pytestmark = pytest.mark.journey

HERE = Path(__file__).parent
CONTRACT = ROOT / "docs" / "openapi.yaml"
SECONDS = 300


def run(*command: str | Path, folder: Path, path: str = "") -> None:
    """Run to the end, which must be a good one."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": path, "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-5000:]}\n{done.stderr[-5000:]}"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the generated package. A warning is a failure: part of the contract would be missing."""
    folder = tmp_path_factory.mktemp("python")
    options = ("--meta", "none", "--config", HERE / "python.yaml", "--fail-on-warning")
    made = ("generate", "--path", CONTRACT, "--output-path", folder / "lumi_client", *options)
    run(Path(sys.executable).parent / "openapi-python-client", *made, folder=folder)
    return folder


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the packages of the lock file and the generated types."""
    folder = tmp_path_factory.mktemp("typescript") / "ts"
    shutil.copytree(HERE / "ts", folder)
    npm = program("npm")
    assert npm, "Node.js is missing: `make test` installs it where it may"
    run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    run(folder / "node_modules/.bin/openapi-typescript", CONTRACT, "-o", "schema.ts", folder=folder)
    return folder


def test_the_python_client_compiles_and_goes_the_whole_way(stack: Stack, python: Path) -> None:
    assert compileall.compile_dir(python, quiet=1)
    run(sys.executable, HERE / "journey.py", stack.url, stack.mails, folder=python, path=str(python))


def test_the_typescript_client_compiles_strictly_and_goes_the_whole_way(stack: Stack, typescript: Path) -> None:
    run(typescript / "node_modules/.bin/tsc", folder=typescript)
    run(program("node") or "", "out/journey.js", stack.url, stack.mails, folder=typescript)
