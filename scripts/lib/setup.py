"""Fetches what is not in the repository and checks every byte of it.

The list is scripts/assets.json: packages by name and version, the files taken
out of them, and the SHA-256 of each; trees of packages, each with a lock
file that has the SHA-512 of every package; and packages for a newer Python, by
a file of requirements with the SHA-256 of each (python_packages.py). Fetched
packages are kept in .cache/downloads (or $CHINHCHU_CACHE/downloads), so that a damaged file can be
put back without a network. Nothing is put in place before its checksum is
right, and everything is put in place by a rename, so that an interrupted run
leaves nothing half-written; the next run goes on with what is missing.

Exit codes: 0 all in place; 1 something could not be fetched or has the wrong
checksum; 2 this machine lacks a tool.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import python_packages

ATTEMPTS_MAX = 3
PROGRESS_EVERY_S = 10.0  # without a terminal; on one, the line is redrawn
CARGO_MIN = (1, 92)  # rust-version in Cargo.toml

TOOLS = {
    "npm": "npm, which comes with Node.js (Debian, Ubuntu: apt install npm)",
    "pip": "pip for python3 (Debian, Ubuntu: apt install python3-pip)",
    "cargo": "cargo {}.{} or newer: install Rust with rustup".format(*CARGO_MIN),
    "cc": "a C compiler, which Rust links with (Debian, Ubuntu: apt install build-essential)",
    "c++": "a C++ compiler, which the fuzz targets need (Debian, Ubuntu: apt install build-essential)",
}


class Stop(Exception):
    """Ends the run with a message and an exit code."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


def say(text):
    print("setup: " + text, file=sys.stderr, flush=True)


def megabytes(count):
    return "{:.1f} MB".format(count / 1e6)


# --- checksums ---------------------------------------------------------------


def sha256(path):
    """SHA-256 of a file in hex, or None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def put(source, to, expected, what):
    """Copies the open file `source` to `to` if its SHA-256 is `expected`."""
    to.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=".part-", dir=to.parent)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as file:
            for block in iter(lambda: source.read(1 << 20), b""):
                digest.update(block)
                file.write(block)
        demand(what, expected, digest.hexdigest())
        os.chmod(part, 0o644)
        os.replace(part, to)
    except BaseException:
        pathlib.Path(part).unlink()
        raise


def demand(what, expected, found):
    if found != expected:
        raise Stop(
            "wrong checksum: {}\n"
            "  expected {}\n"
            "  found    {}\n"
            "It is not what this version of chinhchu was tested with, and was not used. If it stays so on another\n"
            "network too, the package was changed at its source: tell the maintainers.".format(what, expected, found)
        )


# --- tools -------------------------------------------------------------------


def pip_command():
    """The pip of this python3, else one on the path; None where there is none."""
    for command in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if shutil.which(command[0]) and quiet(command + ["--version"]) is not None:
            return command
    return None


def quiet(command):
    """Standard output of a command, or None where it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def has(tool):
    if tool == "pip":
        return pip_command() is not None
    if tool == "cargo":
        found = re.match(r"cargo (\d+)\.(\d+)", quiet(["cargo", "--version"]) or "")
        return found is not None and tuple(map(int, found.groups())) >= CARGO_MIN
    names = {"cc": ["cc", "gcc", "clang"], "c++": ["c++", "g++", "clang++"]}.get(tool, [tool])
    return any(shutil.which(name) for name in names)


def demand_tools(tools):
    missing = [tool for tool in TOOLS if tool in tools and not has(tool)]
    if missing:
        raise Stop("this machine lacks what is needed:\n" + "\n".join("  missing: " + TOOLS[tool] for tool in missing), 2)


# --- fetching ----------------------------------------------------------------


def fetch(archive, to, scratch):
    """Fetches one package to `to` through npm or pip, in up to three attempts."""
    name = "{}@{}" if archive["from"] == "npm" else "{}=={}"
    name = name.format(archive["package"], archive["version"])
    say("fetching {} ({}) with {}".format(name, megabytes(archive["bytes"]), archive["from"].split("-")[0]))
    for attempt in range(1, ATTEMPTS_MAX + 1):
        work = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        command, watched = (npm if archive["from"] == "npm" else pip)(archive, work)
        code, output = run_with_progress(command, work, watched, archive)
        found = work / "out" / archive["file"]
        if code == 0 and found.is_file():
            with open(found, "rb") as file:
                put(file, to, archive["sha256"], "{} ({})".format(name, archive["file"]))
            return
        if "DO NOT MATCH THE HASHES" in output:
            got = re.search(r"Got\s+([0-9a-f]{64})", output)
            demand("{} ({})".format(name, archive["file"]), archive["sha256"], got.group(1) if got else "(pip did not say)")
        if attempt < ATTEMPTS_MAX:
            say("that did not work; trying again ({} of {})".format(attempt + 1, ATTEMPTS_MAX))
            time.sleep(2 * attempt if code else 0)
    tail = "\n".join("  | " + line for line in output.strip().splitlines()[-12:])
    raise Stop(
        "could not fetch {}. {} said:\n{}\n"
        "Check the network and, behind a proxy, the settings of npm and pip; then run scripts/setup again.\n"
        "What has been fetched so far is kept. Where a package is no longer to be had, scripts/setup --from FILE takes\n"
        "the package, or the files in it, from you; their digests decide.{}".format(
            name, command[0], tail, "\n{}.".format(archive["also"]) if "also" in archive else ""
        )
    )


def npm(archive, work):
    """The npm command for an archive, and the folders that grow as it works."""
    (work / "out").mkdir()
    command = ["npm", "pack", "{}@{}".format(archive["package"], archive["version"])]
    command += ["--pack-destination", str(work / "out"), "--ignore-scripts", "--prefer-offline", "--loglevel=error"]
    # npm counts the whole body against its time limit: five minutes is too little for a slow line.
    command += ["--fetch-timeout=3600000", "--fetch-retries=5"]
    cache = quiet(["npm", "config", "get", "cache"])
    return command, [work] + ([pathlib.Path(cache.splitlines()[-1]) / "_cacache" / "tmp"] if cache else [])


def pip(archive, work):
    """The pip command for an archive, and the folders that grow as it works."""
    (work / "out").mkdir()
    # By hash, so that pip checks a source package before it runs its setup.py.
    wanted = work / "wanted.txt"
    wanted.write_text("{package}=={version} --hash=sha256:{sha256}\n".format(**archive))
    command = pip_command() + ["download", "--no-deps", "--require-hashes", "-r", str(wanted), "-d", str(work / "out")]
    command += ["--progress-bar", "off", "--disable-pip-version-check", "--retries", "8"]
    if "PIP_DEFAULT_TIMEOUT" not in os.environ:
        command += ["--timeout", "60"]
    if archive["from"] == "pip-source":
        return command + ["--no-binary", archive["package"]], [work]
    # Pinned tags: the same file whatever Python runs this.
    tags = archive["tags"]
    command += ["--only-binary=:all:", "--python-version", tags["python"]]
    command += ["--implementation", tags["implementation"], "--abi", tags["abi"]]
    for name in tags["platforms"]:
        command += ["--platform", name]
    return command, [work]


def run_with_progress(command, work, watched, archive):
    """Runs a command, showing how much has arrived. Returns its exit code and output."""
    tmp = work / "tmp"
    tmp.mkdir()
    before, began, shown = size_of(watched), time.monotonic(), time.monotonic()
    log = work / "log"
    on_terminal = sys.stderr.isatty()
    with open(log, "wb") as output:
        child = subprocess.Popen(
            command,
            cwd=work,
            env=dict(os.environ, TMPDIR=str(tmp)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    code = child.wait(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    pass
                now = time.monotonic()
                if now - shown < (0 if on_terminal else PROGRESS_EVERY_S):
                    continue
                shown = now
                arrived = min(max(size_of(watched) - before, 0), archive["bytes"])
                line = "  {} of {}, {:.0f} s".format(megabytes(arrived), megabytes(archive["bytes"]), now - began)
                print(line, end="\r" if on_terminal else "\n", file=sys.stderr, flush=True)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            if on_terminal:
                print("\x1b[2K", end="", file=sys.stderr, flush=True)
    return code, log.read_text(errors="replace")


def size_of(folders):
    total = 0
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                try:
                    total += os.stat(os.path.join(parent, name)).st_size
                except OSError:
                    pass  # gone between listing and looking
    return total


# --- putting in place --------------------------------------------------------


def unpack(archive_path, files, root):
    """Takes `files` out of a checked archive."""
    if archive_path.suffix == ".whl":
        with zipfile.ZipFile(archive_path) as archive:
            for file in files:
                with archive.open(file["member"]) as source:
                    put(source, root / file["to"], file["sha256"], file["to"])
    else:
        with tarfile.open(archive_path) as archive:
            for file in files:
                with archive.extractfile(file["member"]) as source:
                    put(source, root / file["to"], file["sha256"], file["to"])


def missing_of(files, root):
    """Those of `files` that are not in place, telling of damaged ones."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(lambda file: sha256(root / file["to"]), files))
    missing = []
    for file, digest in zip(files, found):
        if digest == file["sha256"]:
            continue
        if digest is not None:
            say("{} is damaged; putting it back".format(file["to"]))
        missing.append(file)
    return missing


def wanted_files(assets, here):
    """The files for this platform; says so where no ONNX Runtime is pinned for it."""
    if here not in assets["platforms"] and "CHINHCHU_ONNXRUNTIME" not in os.environ:
        raise Stop(
            "no ONNX Runtime is pinned for this platform ({}); {} is what is tested.\n"
            "Either set CHINHCHU_ONNXRUNTIME to an ONNX Runtime library (1.24 or newer) for it, or add its wheel to\n"
            "scripts/assets.json, which says how.".format(here, ", ".join(sorted(assets["platforms"]))),
            2,
        )
    return [file for file in assets["files"] if file.get("platform", here) == here]


def given_files(paths, wanted):
    """Files among `paths` (files, or folders with files in them) by digest, those in `wanted` alone."""
    found = {}
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        if not path.exists():
            raise Stop("--from {}: there is no such file or folder".format(path), 2)
        for file in inside:
            digest = sha256(file) if file.is_file() else None
            if digest in wanted:
                found[digest] = file
    return found


def share(assets, root):
    """Gives packs the files they have in common with another pack."""
    for file in missing_of(assets["shared"], root):
        with open(root / file["from"], "rb") as source:
            put(source, root / file["to"], file["sha256"], file["to"])


def tree_in_place(tree, beside, root):
    """Whether the packages of this very lock file are there."""
    lock = (beside / tree["lock"] / "package-lock.json").read_bytes()
    try:
        return (root / tree["to"] / "package-lock.json").read_bytes() == lock
    except OSError:
        return False


def fetch_tree(name, tree, beside, root):
    """Fetches a package with all that it depends on: `npm ci` checks each against its SHA-512 in the lock file.

    Only tests need trees, and skip without: what cannot be fetched stops nothing, what is wrong does."""
    left_out = "{} is left out, and the tests that need it will be skipped: ".format(name)
    lacking = [tool for tool in ("npm", "node") if not has(tool)]
    if lacking:
        say(left_out + "this machine lacks " + " and ".join(lacking))
        return
    to = root / tree["to"]
    to.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers({to.parent})
    say("fetching {} and what it depends on ({}) with npm".format(name, megabytes(tree["bytes"])))
    with tempfile.TemporaryDirectory(prefix="work-", dir=to.parent) as scratch:
        work = pathlib.Path(scratch)
        out = work / "out"
        out.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(beside / tree["lock"] / file, out / file)
        # npm takes a folder behind a symbolic link for a package of its own, which no lock file has.
        prefix = os.path.realpath(str(out))
        command = ["npm", "ci", "--prefix", prefix, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        code, output = run_with_progress(command + ["--loglevel=error", "--fetch-retries=5"], work, [out], tree)
        if "EINTEGRITY" in output:
            raise Stop("wrong checksum in {}:\n{}".format(name, output.strip()))
        if code != 0 or not (out / "node_modules").is_dir():
            tail = "\n".join("  | " + line for line in output.strip().splitlines()[-12:])
            say(left_out + "npm said:\n" + tail)
            return
        if "links" in tree:
            make_links(out / tree["links"])
        if to.exists():
            shutil.rmtree(to)
        os.replace(out, to)
    say("{} in place".format(name))


def make_links(listed):
    """Makes the symbolic links that a package lists, since packages of npm hold none."""
    root = listed.parent.parent.resolve()
    for link in json.loads(listed.read_text()):
        source, target = root / link["source"], root / link["target"]
        if not all(os.path.normpath(str(path)).startswith(str(root) + os.sep) for path in (source, target)):
            raise Stop("{} lists a link that leaves its package".format(listed.name))
        if not target.is_symlink():
            os.symlink(os.path.relpath(str(source), str(target.parent)), str(target))


def clear_leftovers(folders):
    """Removes what a killed run left, once it is surely dead."""
    old = time.time() - 24 * 3600
    for folder in folders:
        for part in list(folder.glob(".part-*")) + list(folder.glob("work-*")):
            try:
                if part.stat().st_mtime < old:
                    shutil.rmtree(part) if part.is_dir() else part.unlink()
            except OSError:
                pass  # another run was quicker


def take_given(assets, files, root, given, downloads):
    """Puts files, or whole packages, that the caller already has where they belong."""
    packages = {archive["sha256"]: archive for archive in assets["archives"].values()}
    found = given_files(given, set(packages) | {file["sha256"] for file in files})
    if given and not found:
        raise Stop(
            "none of the files given with --from has a digest that is looked for:\n"
            + "\n".join("  {}  {}".format(file["sha256"], file["to"]) for file in files),
            2,
        )
    for digest, path in found.items():
        places = [(root / file["to"], file["to"]) for file in files if file["sha256"] == digest]
        if digest in packages:
            places.append((downloads / packages[digest]["file"], packages[digest]["file"]))
        for to, name in places:
            with open(path, "rb") as source:
                put(source, to, digest, name)
            say("{} <- {}".format(name, path))


def set_up(assets, root, tools, here, given=(), beside=None):
    files = wanted_files(assets, here)
    downloads = pathlib.Path(os.environ.get("CHINHCHU_CACHE") or root / ".cache") / "downloads"
    take_given(assets, files, root, given, downloads)
    missing = missing_of(files, root)
    needed = [key for key in assets["archives"] if any(file["archive"] == key for file in missing)]
    to_fetch = []
    for key in needed:
        archive = assets["archives"][key]
        found = sha256(downloads / archive["file"])
        if found != archive["sha256"]:
            if found is not None:
                say("{} is damaged; fetching it again".format(downloads / archive["file"]))
            to_fetch.append(key)
    demand_tools(set(tools) | {assets["archives"][key]["from"].split("-")[0] for key in to_fetch})
    if needed:
        downloads.mkdir(parents=True, exist_ok=True)
        clear_leftovers({downloads} | {(root / file["to"]).parent for file in files})
    for key in needed:
        archive = assets["archives"][key]
        if key in to_fetch:
            with tempfile.TemporaryDirectory(prefix="work-", dir=downloads) as scratch:
                fetch(archive, downloads / archive["file"], scratch)
        part = [file for file in missing if file["archive"] == key]
        unpack(downloads / archive["file"], part, root)
        say("{} file{} from {} {} in place".format(len(part), "s"[: len(part) != 1], archive["package"], archive["version"]))
    share(assets, root)
    for name, tree in assets.get("trees", {}).items():
        if not tree_in_place(tree, beside, root):
            fetch_tree(name, tree, beside, root)
    for name, packages in assets.get("pythons", {}).items():
        if not python_packages.in_place(packages, beside, root):
            python_packages.fetch(name, packages, beside, root, here, sys.modules[__name__])


def main():
    repository = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(
        prog="scripts/setup",
        description="Fetches the default model pack's networks, ONNX Runtime, sample photos (78 MB) and, where there is "
        "Node.js, the OpenID provider and the Connect client that tests run (40 MB) and, where there is Python 3.12 or 3.13, the verifier of logs "
        "that they run (5 MB) by package name and version through npm and pip, and checks every file's SHA-256 or package's "
        "SHA-512. Does nothing where all is in place.",
        epilog="CHINHCHU_CACHE: keep fetched packages there instead of in .cache (several clones may share it).",
    )
    parser.add_argument("--tools", default="", help="comma-separated tools to check for as well: cargo, cc, c++")
    parser.add_argument("--only-tools", help="check for these tools and fetch nothing")
    parser.add_argument(
        "--from", dest="given", action="append", default=[], type=pathlib.Path, metavar="PATH",
        help="a file, or a folder of files, that are already here: what has the digest of a package or of a file in one "
        "is not fetched",
    )
    parser.add_argument("--root", type=pathlib.Path, default=repository, help=argparse.SUPPRESS)
    parser.add_argument("--assets", type=pathlib.Path, default=repository / "scripts/assets.json", help=argparse.SUPPRESS)
    parser.add_argument("--platform", default=platform.system() + " " + platform.machine(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if sys.version_info < (3, 8):
        parser.error("python3 is {}; 3.8 or newer is needed".format(platform.python_version()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tools = [tool for tool in (arguments.only_tools or arguments.tools).split(",") if tool]
    unknown = [tool for tool in tools if tool not in TOOLS]
    if unknown:
        parser.error("unknown tool: " + ", ".join(unknown))
    try:
        if arguments.only_tools:
            demand_tools(tools)
            return 0
        assets, beside = json.loads(arguments.assets.read_text()), arguments.assets.resolve().parent
        set_up(assets, arguments.root, tools, arguments.platform, arguments.given, beside)
    except Stop as stop:
        say(str(stop))
        return stop.code
    except OSError as error:
        say("{}; free some space or mend the folder's permissions, then run scripts/setup again".format(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; what has been fetched so far is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
