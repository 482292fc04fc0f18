"""Checks an exported transparency log, or a receipt, without a line of this program's code.

    check_ledger.py log FOLDER --key KEY [--remembered CHECKPOINT] [--receipt FILE]...
    check_ledger.py receipt FILE --key KEY [--commitment HEX]

Everything is checked twice: by the code below, which knows RFC 6962 and the C2SP formats and needs nothing but
Python, and by aics-tlog, a package that others wrote. --witness KEY (again and again) and --needed N ask for
cosignatures. KEY is a verifier key, NAME+ID+BASE64.

--hashes-only leaves the package out: formats and hashes are checked, signatures are not, as Python has no Ed25519.
The package needs Python 3.12 and lies where scripts/setup puts it; without it the exit code is 2.

Prints one line of JSON. Exit codes: 0 right; 1 something is wrong, `error` says what; 2 cannot be checked.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import re
import sys

PREFIX = b"chinhchu.ledger/commitment/v1\n"
EMPTY = hashlib.sha256(b"").digest()
WIDTH = 256


class Wrong(Exception):
    """What is checked is not right."""


def demand(holds, what):
    if not holds:
        raise Wrong(what)


# --- RFC 6962 and RFC 9162 ---------------------------------------------------


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """Root over leaves by their hashes: neighbours are joined level by level, one without a neighbour goes up as it is."""
    if not hashes:
        return EMPTY
    while len(hashes) > 1:
        pairs = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2])]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def root_of_proof(leaf, index, size, proof):
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    demand(index < size, "there is no entry {} in a tree of {}".format(index, size))
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        demand(last > 0, "the proof is too long")
        if place % 2 == 1 or place == last:
            value = node_hash(sibling, value)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            value = node_hash(value, sibling)
        place, last = place // 2, last // 2
    demand(last == 0, "the proof is too short")
    return value


# --- C2SP formats ------------------------------------------------------------


def unbase64(text):
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        raise Wrong("not base64: " + text[:60])
    demand(base64.b64encode(value).decode() == text, "base64 in another spelling: " + text[:60])
    return value


def number(text):
    demand(re.fullmatch("0|[1-9][0-9]{0,18}", text), "not a number: " + text[:30])
    return int(text)


def one_hash(text):
    value = unbase64(text)
    demand(len(value) == 32, "not a hash: " + text[:60])
    return value


def read_checkpoint(note):
    """Origin, size and root of a signed note."""
    demand("\n\n" in note and note.endswith("\n"), "the checkpoint is no signed note")
    text, lines = note.rsplit("\n\n", 1)
    demand(all(re.fullmatch("\u2014 [^ +]+ [A-Za-z0-9+/=]+", line) for line in lines.splitlines()), "a line is no signature")
    head = text.split("\n")
    demand(len(head) >= 3 and all(head), "the checkpoint has too few lines")
    return head[0], number(head[1]), one_hash(head[2])


def read_receipt(text):
    """Extra data, index, proof and checkpoint of a receipt (tlog-proof)."""
    demand("\n\n" in text, "the receipt has no checkpoint")
    head, note = text.split("\n\n", 1)
    lines = head.split("\n")
    demand(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a receipt")
    extra = unbase64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
    demand(lines and lines[0].startswith("index "), "the receipt has no index")
    return extra, number(lines.pop(0)[6:]), [one_hash(line) for line in lines], note


def tile_path(level, index, width):
    groups = ["{:03}".format(index % 1000)]
    while index >= 1000:
        index //= 1000
        groups.insert(0, "x{:03}".format(index % 1000))
    return "tile/{}/{}{}".format(level, "/".join(groups), "" if width == WIDTH else ".p/{}".format(width))


def read_tile(folder, level, index, width, each):
    path = tile_path(level, index, width)
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        raise Wrong("{}: {}".format(path, error.strerror))
    demand(len(content) == width * each, "{} has {} bytes".format(path, len(content)))
    return [content[at : at + each] for at in range(0, len(content), each)]


def widths(count):
    return [(index, min(WIDTH, count - index * WIDTH)) for index in range((count + WIDTH - 1) // WIDTH)]


def read_log(folder, size):
    """The hashes of all leaves, after every tile was compared with what is under it."""
    hashes = []
    for index, width in widths(size):
        for entry in read_tile(folder, "entries", index, width, 34):
            demand(entry[:2] == b"\0\x20", "an entry is no commitment")
            hashes.append(leaf_hash(entry[2:]))
    leaves, level = hashes, 0
    while hashes:
        for index, width in widths(len(hashes)):
            tile = read_tile(folder, level, index, width, 32)
            demand(tile == hashes[index * WIDTH : index * WIDTH + width], tile_path(level, index, width) + " does not fit")
        full = len(hashes) // WIDTH
        hashes = [root_of(hashes[index * WIDTH : (index + 1) * WIDTH]) for index in range(full)]
        level += 1
    return leaves


# --- the checks --------------------------------------------------------------


class Package:
    """The same by aics-tlog."""

    def __init__(self, arguments):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / ".cache" / "ledger-verifier"))
        import aics_tlog

        self.tlog = aics_tlog
        self.key = aics_tlog.parse_vkey(arguments.key)
        self.witnesses = [aics_tlog.parse_vkey(key) for key in arguments.witness]
        self.needed = arguments.needed

    def checkpoint(self, note):
        result = self.tlog.verify_checkpoint(
            self.tlog.parse_note(note), self.key, self.witnesses, self.needed, expected_origin=self.key.name
        )
        demand(result.ok, result.error)
        return result.origin, result.size, result.root

    def inclusion(self, leaf, index, size, proof, root):
        demand(self.tlog.verify_inclusion(leaf, index, size, proof, root), "aics-tlog: the entry is not included")

    def log(self, folder, size, root):
        reader = self.tlog.FileSystemTileReader(folder)
        try:
            self.tlog.audit_tiles(reader, size, root)
        except (OSError, ValueError) as error:
            raise Wrong("aics-tlog: {}".format(error))
        return reader

    def consistency(self, folder, earlier, later):
        proof = self.tlog.consistency_proof_from_tiles(self.tlog.FileSystemTileReader(folder), earlier[1], later[1])
        holds = self.tlog.verify_consistency(earlier[1], later[1], earlier[2], later[2], proof)
        demand(holds, "aics-tlog: the log does not continue what is remembered (a fork)")


def read(path):
    return path.read_bytes().decode("utf-8")


def checkpoint(note, key, package):
    found = read_checkpoint(note)
    demand(found[0] == key.split("+")[0], "the checkpoint is of " + found[0])
    if package:
        demand(package.checkpoint(note) == found, "aics-tlog reads another checkpoint")
    return found


def check_receipt(path, arguments, package, commitment=None):
    extra, index, proof, note = read_receipt(read(path))
    _, size, root = checkpoint(note, arguments.key, package)
    if extra is not None:
        demand(len(extra) >= 33 and extra[0] == 1, "the extra data are no opening")
        opened = hashlib.sha256(PREFIX + extra[1:33] + extra[33:]).digest()
        demand(commitment in (None, opened), "the receipt is of another entry")
        commitment = opened
    demand(commitment is not None, "the receipt carries no contents: --commitment says which entry it is for")
    leaf = leaf_hash(commitment)
    demand(root_of_proof(leaf, index, size, proof) == root, "the proof leads to another root")
    if package:
        package.inclusion(leaf, index, size, proof, root)
    return {"index": index, "size": size, "commitment": commitment.hex()}


def check_log(folder, arguments, package):
    found = checkpoint(read(folder / "checkpoint"), arguments.key, package)
    _, size, root = found
    leaves = read_log(folder, size)
    demand(root_of(leaves) == root, "the tiles have another root than the checkpoint")
    if package:
        package.log(folder, size, root)
    if arguments.remembered:
        earlier = checkpoint(read(arguments.remembered), arguments.key, package)
        demand(earlier[1] <= size, "the log had {} entries and has {}: rolled back or cut".format(earlier[1], size))
        demand(root_of(leaves[: earlier[1]]) == earlier[2], "the log does not continue what is remembered (a fork)")
        if package:
            package.consistency(folder, earlier, found)
    for receipt in arguments.receipt:
        proven = check_receipt(receipt, arguments, package)
        demand(leaves[proven["index"]] == leaf_hash(bytes.fromhex(proven["commitment"])), "a receipt is of another log")
    return {"size": size, "root": root.hex(), "receipts": len(arguments.receipt)}


def main():
    parser = argparse.ArgumentParser(prog="check_ledger.py", description="Checks a transparency log or a receipt.")
    parser.add_argument("what", choices=["log", "receipt"])
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--key", required=True, help="the log's verifier key")
    parser.add_argument("--witness", action="append", default=[], help="a witness's verifier key")
    parser.add_argument("--needed", type=int, default=0, help="how many witnesses must have cosigned")
    parser.add_argument("--remembered", type=pathlib.Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument("--receipt", action="append", default=[], type=pathlib.Path, help="a receipt of the log")
    parser.add_argument("--commitment", type=bytes.fromhex, help="the entry that a receipt without contents is for")
    parser.add_argument("--hashes-only", action="store_true", help="check no signatures, and do without the package")
    arguments = parser.parse_args()
    package = None
    if not arguments.hashes_only:
        try:
            package = Package(arguments)
        except ImportError as error:
            print("check_ledger: aics-tlog is not there ({}): scripts/setup fetches it".format(error), file=sys.stderr)
            return 2
    said = {"signatures": "checked" if package else "not checked"}
    try:
        if arguments.what == "log":
            said.update(check_log(arguments.path, arguments, package))
        else:
            said.update(check_receipt(arguments.path, arguments, package, arguments.commitment))
    except (Wrong, ValueError) as error:
        said["error"] = str(error)
    print(json.dumps(said))
    return 1 if "error" in said else 0


if __name__ == "__main__":
    sys.exit(main())
