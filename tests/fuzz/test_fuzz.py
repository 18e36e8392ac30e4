"""The short form of `make fuzz`: strangers' data over the whole document, on real processes."""

import re
from pathlib import Path

import pytest

from tests.fuzz.fuzz import NOBODY, PERSON, both, patient_stack

pytestmark = pytest.mark.journey

EXAMPLES, SEED = 4, 20_261_124


def test_the_contract_holds_for_a_person_and_for_nobody(tmp_path: Path) -> None:
    with patient_stack(tmp_path) as stack:
        for who, run in zip((PERSON, NOBODY), both(stack, examples=EXAMPLES, seed=SEED), strict=True):
            said = f"As {who}:\n{run.stdout[-20_000:]}\n{run.stderr[-2000:]}"
            assert run.returncode == 0, said
            (selected, in_all, tested) = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", run.stdout).groups()
            assert selected == in_all == tested, said
        for name in stack.commands:
            assert "unhandled error" not in stack.log(name).read_text(), stack.logs()
