"""Packages of PyPI that tests run, for a Python newer than the one that runs this: fetched by pip, each against the
SHA-256 in a file of requirements, into a folder of their own.

Only tests need them, and skip without: what cannot be fetched stops nothing, what is wrong does.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NAMES = ["python3.14", "python3.13", "python3.12", "python3"]
ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


def pythons():
    """Programs that may be a newer Python: those on the path, this one, those that pyenv keeps."""
    kept = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv") / "versions"
    found = [shutil.which(name) for name in NAMES] + [sys.executable]
    found += [str(path) for path in sorted(kept.glob("3.*/bin/python3"), reverse=True)]
    return [program for program in found if program]


def version_of(program):
    """(3, 13) of a program that says so; (0, 0) of one that does not run."""
    try:
        done = subprocess.run([program, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        major, minor = done.stdout.split(".")
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0, 0


def in_place(packages, beside, root):
    """Whether the packages of this very file are there, with a Python that runs."""
    to = root / packages["to"]
    try:
        same = (to / "requirements.txt").read_bytes() == (beside / packages["requirements"]).read_bytes()
        return same and version_of((to / "python").read_text().strip()) != (0, 0)
    except OSError:
        return False


def fetch(name, packages, beside, root, here, setup):
    """Fetches the packages; `setup` is the module whose helpers are used."""
    left_out = "{} is left out, and the tests that need it will be skipped: ".format(name)
    if packages["platform"] != here:
        setup.say(left_out + "its packages are pinned for {platform} alone".format(**packages))
        return
    least, most = [tuple(map(int, packages[key].split("."))) for key in ("python_min", "python_max")]
    program = next((one for one in pythons() if least <= version_of(one) <= most), None)
    if program is None:
        setup.say(left_out + "no Python {python_min} to {python_max} was found".format(**packages))
        return
    to = root / packages["to"]
    to.parent.mkdir(parents=True, exist_ok=True)
    setup.clear_leftovers({to.parent})
    setup.say("fetching {} ({}) with pip, for {}".format(name, setup.megabytes(packages["bytes"]), program))
    with tempfile.TemporaryDirectory(prefix="work-", dir=to.parent) as scratch:
        work = pathlib.Path(scratch)
        out = work / "out"
        out.mkdir()
        listed = shutil.copy(beside / packages["requirements"], out / "requirements.txt")
        command = [program, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "-r", str(listed)]
        command += ["--target", str(out), "--no-compile", "--progress-bar", "off", "--disable-pip-version-check"]
        code, output = setup.run_with_progress(command + ["--retries", "8"], work, [work], packages)
        if "DO NOT MATCH THE HASHES" in output:
            raise setup.Stop("wrong checksum in {}:\n{}".format(name, output.strip()))
        if code != 0:
            tail = "\n".join("  | " + line for line in output.strip().splitlines()[-12:])
            setup.say(left_out + "pip said:\n" + tail)
            return
        (out / "python").write_text(program + "\n")
        if to.exists():
            shutil.rmtree(to)
        os.replace(out, to)
    setup.say("{} in place".format(name))
