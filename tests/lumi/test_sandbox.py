"""Strangers' files are read by a process of its own, which can do little harm and takes little with it."""

import os
import time
from pathlib import Path

import pytest

from lumi import sandbox

SMALL = 512 * 1024**2


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A module that does what its first argument says, in a folder that takes the project's place."""
    (tmp_path / "reader.py").write_text("import os, sys, time, subprocess\nexec(sys.argv[1])\n")
    monkeypatch.setattr(sandbox, "ROOT", tmp_path)
    return "reader"


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sandbox's own script finds its modules in that folder."""
    folder = tmp_path / "lumi"
    folder.mkdir()
    copy = folder / "sandbox.py"
    copy.write_text(Path(sandbox.__file__).read_text())
    monkeypatch.setattr(sandbox, "__file__", str(copy))


def test_what_it_prints_comes_back(module: str) -> None:
    assert sandbox.run(module, "print(sys.argv[1:][1])", "小猫", seconds=5) == "小猫\n"


def test_it_knows_no_keys(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMI_SECRET_KEY", "very-secret")
    assert "very-secret" not in sandbox.run(module, "print(os.environ)", seconds=5)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("bytearray(1024**3)", "ended with 1"),
        ("raise SystemExit(7)", "ended with 7"),
        ("os.kill(os.getpid(), 9)", "ended with -9"),
        ("[os.open('/dev/null', 0) for _ in range(100)]", "ended with 1"),
    ],
)
def test_a_bad_end_is_told(module: str, code: str, reason: str) -> None:
    with pytest.raises(sandbox.Failed, match=reason):
        sandbox.run(module, code, seconds=5, memory=SMALL)


def test_a_busy_one_is_ended_by_the_kernel(module: str) -> None:
    with pytest.raises(sandbox.Failed):
        sandbox.run(module, "while True: pass", seconds=1)


def test_a_sleeping_one_is_ended_with_what_it_started(module: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        f"child = subprocess.Popen(['sleep', '60']); open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}');"
        "time.sleep(60)"
    )
    with pytest.raises(sandbox.Failed, match="too long"):
        sandbox.run(module, code, seconds=1)
    assert [pid for pid in pids.read_text().split() if is_running(int(pid))] == []


def is_running(pid: int) -> bool:
    """Whether a process is there and no mere entry of one that has ended."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.05)
    return True


def test_its_limits_are_those_that_were_asked_for(module: str) -> None:
    code = (
        "import resource as r; print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CPU), r.getrlimit(r.RLIMIT_CORE))"
    )
    assert sandbox.run(module, code, seconds=9, memory=SMALL).split("\n")[0] == f"({SMALL}, {SMALL}) (9, 9) (0, 0)"
