"""Makes `.venv` ready, and says what it does. Needs nothing but Python 3.11+, and does nothing when all is in place.

    python3 scripts/setup.py          what Lumi runs with
    python3 scripts/setup.py --dev    what tests and linters need beside

mysqlclient is compiled on Linux. It is left out, with one line, where that cannot be done: SQLite needs nothing.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MYSQL = "mysqlclient"
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq"]
NO_VENV = """\
{python} is fine, but it cannot make virtual environments: its modules venv and ensurepip are not installed.
On Debian and Ubuntu: apt-get install python3-venv. Or name another Python: make PYTHON=/path/to/python3.12 ..."""


def main() -> None:
    """Each step says what it does before it does it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dev", action="store_true", help="tests and linters too")
    name = "requirements-dev.txt" if options.parse_args().dev else "requirements.txt"
    if not venv_works():
        make_venv()
    if not installed(name):
        install(name)
    if not installed(MYSQL):
        install_mysql()


def say(line: str) -> None:
    """One line a step."""
    print(f"[setup] {line}", flush=True)


def stop(sentence: str) -> None:
    """End with a sentence instead of a traceback."""
    sys.exit(f"[setup] {sentence}")


# --- The virtual environment ----------------------------------------------------------------------------------------


def venv_works() -> bool:
    """Whether `.venv` is whole: an interrupted start, or a Python that has gone, leaves half of one."""
    return PYTHON.exists() and quiet([str(PYTHON), "-c", "import pip, sys; assert sys.version_info >= (3, 11)"])


def make_venv() -> None:
    """A new `.venv` with this Python."""
    if not can_make_venvs():
        install_venv_package()
    say(f"making .venv with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "the virtual environment could not be made")


def can_make_venvs() -> bool:
    """Debian ships Python without these until python3-venv is installed."""
    return quiet([sys.executable, "-c", "import venv, ensurepip"])


def install_venv_package() -> None:
    """Where it may: as root, on a machine with apt."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        stop(NO_VENV.format(python=sys.executable))
    say("installing python3-venv (apt-get)")
    quiet(["apt-get", "update", "-q"])
    quiet(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "python3-venv"])
    if not can_make_venvs():
        stop(NO_VENV.format(python=sys.executable))


# --- What is installed ----------------------------------------------------------------------------------------------


def digest(name: str) -> str:
    """What a stamp holds: the pins that were installed."""
    files = [path.read_text() for path in sorted(ROOT.glob("requirements*.txt"))]
    pins = [mysql_pin()] if name == MYSQL else files
    return hashlib.sha256("\n".join(pins).encode()).hexdigest()


def stamp(name: str) -> Path:
    """A file inside `.venv`, gone when `.venv` is."""
    return VENV / f"installed-{name}"


def installed(name: str) -> bool:
    """Whether exactly these pins are there already. What tests need includes what Lumi needs."""
    names = [name, "requirements-dev.txt"] if name == "requirements.txt" else [name]
    return any(stamp(each).exists() and stamp(each).read_text() == digest(name) for each in names)


def install(name: str) -> None:
    """Everything but mysqlclient, which has its own step."""
    say(f"installing {name} (the first time takes a minute or two)")
    with tempfile.TemporaryDirectory() as folder:
        for path in ROOT.glob("requirements*.txt"):
            lines = [line for line in path.read_text().splitlines() if not line.startswith(MYSQL)]
            (Path(folder) / path.name).write_text("\n".join(lines))
        run([*PIP, "install", "-r", str(Path(folder) / name)], f"{name} could not be installed; see pip's words above")
    stamp(name).write_text(digest(name))


def mysql_pin() -> str:
    """mysqlclient's line in requirements.txt, without its comment."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return next(line.split("#")[0].strip() for line in lines if line.startswith(MYSQL))


def install_mysql() -> None:
    """Compile it where headers and a compiler are found. Never fails: Lumi runs on SQLite without it."""
    missing = missing_for_mysql()
    if missing:
        say(f"MySQL support is left out ({missing} not found); SQLite is used and needs nothing")
        return
    say(f"compiling {mysql_pin()}, for MySQL support")
    if quiet([*PIP, "install", mysql_pin()]):
        stamp(MYSQL).write_text(digest(MYSQL))
    else:
        say("MySQL support is left out (mysqlclient could not be compiled); SQLite is used and needs nothing")


def missing_for_mysql() -> str:
    """What compiling mysqlclient lacks; "" when nothing."""
    if os.name == "nt":
        return ""  # there are wheels
    headers = any(shutil.which(tool) for tool in ("mysql_config", "mariadb_config")) or pkg_config_knows()
    compiler = shutil.which(os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0])
    python_h = (Path(sysconfig.get_path("include")) / "Python.h").exists()
    found = {"MySQL's headers": headers, "a C compiler": compiler, "Python's headers": python_h}
    return ", ".join(what for what, there in found.items() if not there)


def pkg_config_knows() -> bool:
    """mysqlclient asks pkg-config for one of these."""
    names = ("mysqlclient", "mariadb", "libmariadb", "perconaserverclient")
    return bool(shutil.which("pkg-config")) and any(quiet(["pkg-config", "--exists", name]) for name in names)


# --- Running things -------------------------------------------------------------------------------------------------


def quiet(command: list[str]) -> bool:
    """Run it without a word; whether it succeeded."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command: list[str], complaint: str) -> None:
    """Run it in the open; stop with a sentence when it fails."""
    if subprocess.run(command, check=False).returncode != 0:
        stop(complaint)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("stopped; the next start goes on from here")
