"""`make fuzz`: schemathesis over the whole document of a real installation, once as a person and once as nobody.

All its checks, and ours (`tests/fuzz/hooks.py`): every answer is an envelope, every operation succeeds at least once.

    python -m tests.fuzz.fuzz --examples 300 --seed 7
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.fuzz.apart import stack_apart
from tests.fuzz.world import World, furnished, left_for_nobody
from tests.journeys.stack import ROOT, Stack

HERE = Path(__file__).parent
QUIET = {
    "LUMI_RATE_LIMITING": "false",
    "LUMI_MOST_UNFINISHED_PER_PERSON": "1000000",
    "LUMI_MOST_UNFINISHED": "1000000",
    "LUMI_ACCESS_TOKEN_SECONDS": "86400",
    "LUMI_IMAGE_PER_MINUTE": "4",  # those of the one request that is finished: to paint the rest would be heat
}
PERSON, NOBODY = "a person", "nobody"
NEVER_REACHED = ["retryRequest"]  # nothing fails at the offline providers
# Who calls what would leave the maker with nothing more to do.
OTHERS = {"endOtherSessions": "stranger", "deleteMe": "leaver"}
SECONDS = 3600


def patient_stack(folder: Path) -> AbstractContextManager[Stack]:
    """An installation whom nobody is too fast for."""
    return stack_apart(folder, name="fuzz", redis=4, **QUIET)


def fuzz(stack: Stack, world: World, *, who: str, examples: int, seed: int) -> subprocess.CompletedProcess[str]:
    """One run of schemathesis, to its end."""
    config = stack.folder / f"{who.replace(' ', '-')}.toml"
    config.write_text(configuration(stack.folder, world, who))
    command = [
        str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run", f"{stack.url}/api/openapi",
        "--checks", "all", "--mode", "all", "--max-examples", str(examples), "--seed", str(seed), "--no-color",
        "--continue-on-failure", "--header", "Accept-Language: en", "--suppress-health-check", "all",
        "--output-truncate", "false",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # for the hooks
    return subprocess.run(
        command, cwd=stack.folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def configuration(folder: Path, world: World, who: str) -> str:
    """The configuration file of one run."""
    person = who == PERSON
    lines = [
        assignment("hooks", str(HERE / "hooks.py")),
        *section("checks.Reached", signed_in=person, but=NEVER_REACHED),
        *(signed_in(folder, world) if person else ()),
    ]
    for name, values in world.words.items():
        lines += section(f"dictionaries.{name}", values=values)
    return "\n".join([*lines, (HERE / "schemathesis.toml").read_text()])


def section(name: str, **values: Any) -> list[str]:
    """A table of TOML."""
    return [f"[{name}]", *(assignment(key, value) for key, value in values.items())]


def assignment(key: str, value: Any) -> str:
    """JSON's strings, lists and truth values are TOML's, too."""
    return f"{key} = {json.dumps(value)}"


def signed_in(folder: Path, world: World) -> list[str]:
    """Nearly every call is the maker's; what they read of their own is asked for once more as each of the others."""
    path = folder / "people.json"
    headers = {name: {"name": "Authorization", "value": token} for name, token in world.tokens.items()}
    path.write_text(json.dumps({"auth": [{"name": name, "fixedHeaders": [each]} for name, each in headers.items()]}))
    lines = section("auth.wfc", path=str(path), user="maker", peers=list(world.tokens))
    for operation, name in OTHERS.items():
        lines += section("[operations]", **{"include-operation-id": [operation]})
        lines += [f"headers.Authorization = {json.dumps(world.tokens[name])}"]
    return lines


def both(stack: Stack, *, examples: int, seed: int) -> Iterator[subprocess.CompletedProcess[str]]:
    """As a person, then as nobody."""
    world = furnished(stack)
    yield fuzz(stack, world, who=PERSON, examples=examples, seed=seed)
    yield fuzz(stack, left_for_nobody(stack, world), who=NOBODY, examples=examples, seed=seed)


def main() -> int:
    """Fuzz, and tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--examples", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="lumi-fuzz-") as folder, patient_stack(Path(folder)) as stack:
        worst = 0
        for run in both(stack, examples=given.examples, seed=given.seed):
            print(run.stdout, run.stderr)
            worst = max(worst, run.returncode)
        return worst


if __name__ == "__main__":
    sys.exit(main())
