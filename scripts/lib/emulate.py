"""Runs a Linux program for x86-64 on an emulated processor with AVX-512 and VNNI.

    emulate.py [NAME=VALUE...] PROGRAM [ARGUMENT...]

The processor is that of Bochs (PyPI: bochscpu-python). Of Linux there is what a test program
needs that reads no files but its libraries and starts no threads: threads are refused, and
what else is unknown is answered "not implemented". Some ten million instructions a second.

Exit codes: the program's; 2 where the processor cannot be had; 3 where it met an exception.
"""

import ctypes
import mmap
import os
import struct
import sys
import time
from pathlib import Path

import bochscpu
import bochscpu.cpu
import bochscpu.memory

# Where things lie in the guest's memory. Addresses are the same to the program, to the
# processor and, from `Guest.memory` on, to us.
SIZE = 4 << 30
TABLES = 0x1000
SYSTEM_CALL = 0x9000
ASK_FEATURES = 0xA000
PROGRAM = 0x1000_0000
LOADER = 0x4000_0000
MAPPED = 0x5000_0000
STACK = 0xF000_0000
PAGE = 4096
NO_RESERVE = 0x4000  # mmap names it from Python 3.13 on

ENOENT, EAGAIN, EINVAL, ENOTTY, ENOSYS = 2, 11, 22, 25, 38
ONLY_ZERO = {
    "mprotect": 10,
    "munmap": 11,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "poll": 7,
    "sched_yield": 24,
    "madvise": 28,
    "sigaltstack": 131,
    "futex": 202,
    "set_robust_list": 273,
}


def pages(count):
    """So many bytes, rounded up to pages."""
    return (count + PAGE - 1) // PAGE * PAGE


class Guest:
    """A program, its memory, and the system calls it makes."""

    def __init__(self, command, environment):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
        self.memory = mmap.mmap(-1, SIZE, flags=flags)
        self.host = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.files = {}
        self.mapped = MAPPED
        self.exit_code = None
        # Every address is itself, in pages of 1 GiB.
        self.words(TABLES, (TABLES + PAGE) | 7)
        self.words(TABLES + PAGE, *(gib << 30 | 0x87 for gib in range(SIZE >> 30)))
        # wbinvd, of which bochscpu tells us; jmp rcx, where `syscall` left the way back.
        self.put(SYSTEM_CALL, b"\x0f\x09\xff\xe1")
        # mov eax, 7; xor ecx, ecx; cpuid; wbinvd
        self.put(ASK_FEATURES, b"\xb8\x07\0\0\0\x31\xc9\x0f\xa2\x0f\x09")
        self.load(command, environment)

    # --- memory

    def put(self, at, data):
        self.memory[at : at + len(data)] = data

    def words(self, at, *values):
        self.put(at, struct.pack(f"<{len(values)}Q", *values))

    def text(self, at):
        return bytes(self.memory[at : self.memory.find(b"\0", at)])

    # --- the program

    def load_file(self, path, base):
        """Puts an ELF file in place: its entry, its headers, its loader, and its end."""
        data = Path(path).read_bytes()
        (kind,) = struct.unpack_from("<H", data, 16)
        base = 0 if kind == 2 else base
        entry, offset = struct.unpack_from("<QQ", data, 24)
        each, count = struct.unpack_from("<HH", data, 54)
        loader, end = None, 0
        for number in range(count):
            header = struct.unpack_from("<IIQQQQQQ", data, offset + number * each)
            kind, _, at, address, _, in_file, in_memory, _ = header
            if kind == 1:
                self.put(base + address, data[at : at + in_file])
                end = max(end, base + address + in_memory)
            elif kind == 3:
                loader = data[at : at + in_file - 1].decode()
        return base + entry, (base + offset, each, count), loader, end

    def load(self, command, environment):
        entry, (headers, each, count), loader, end = self.load_file(command[0], PROGRAM)
        self.top = pages(end)
        self.start = self.load_file(loader, LOADER)[0] if loader else entry
        at = STACK

        def push(data):
            nonlocal at
            at -= len(data)
            self.put(at, data)
            return at

        arguments = [push(word.encode() + b"\0") for word in command]
        variables = [push(word.encode() + b"\0") for word in environment]
        seed = push(os.urandom(16))
        # AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_ENTRY, AT_SECURE, AT_RANDOM
        base = LOADER if loader else 0
        told = [(3, headers), (4, each), (5, count), (6, PAGE), (7, base), (9, entry), (23, 0), (25, seed), (0, 0)]
        words = [len(arguments), *arguments, 0, *variables, 0, *(word for pair in told for word in pair)]
        self.stack = (at - 8 * len(words)) & ~15
        self.words(self.stack, *words)

    # --- system calls

    def system_call(self, cpu):
        """The answer to the call in the registers; None ends the program."""
        number = cpu.rax
        a, b, c, d, e, f = cpu.rdi, cpu.rsi, cpu.rdx, cpu.r10, cpu.r8, cpu.r9
        if number in ONLY_ZERO.values():
            return 0
        match number:
            case 0 | 17:  # read, pread64
                return self.read(a, b, c, None if number == 0 else d)
            case 1:  # write
                return os.write(a, self.memory[b : b + c])
            case 20:  # writev
                parts = [struct.unpack_from("<QQ", self.memory, b + 16 * part) for part in range(c)]
                return sum(os.write(a, self.memory[at : at + count]) for at, count in parts)
            case 3:  # close
                self.files.pop(a, None)
                return 0
            case 5:  # fstat
                return self.stat(a, b)
            case 262:  # newfstatat: of open files only
                return self.stat(a, c) if self.text(b) == b"" else -ENOENT
            case 9:  # mmap
                return self.map(a, b, d, e & 0xFFFF_FFFF, f)
            case 12:  # brk
                self.top = max(self.top, a)
                return self.top
            case 16:  # ioctl
                return -ENOTTY
            case 39 | 186 | 218:  # getpid, gettid, set_tid_address
                return 1
            case 56:  # clone
                return -EAGAIN
            case 60 | 231:  # exit, exit_group
                self.exit_code = a & 0xFF
                return None
            case 158:  # arch_prctl: the thread's own memory
                if a != 0x1002:
                    return -EINVAL
                segment = cpu.fs
                segment.base = b
                cpu.fs = segment
                return 0
            case 204:  # sched_getaffinity: one processor
                self.words(c, 1)
                return 8
            case 228:  # clock_gettime
                self.words(b, *divmod(time.time_ns(), 10**9))
                return 0
            case 257:  # openat
                return self.open(self.text(b))
            case 302:  # prlimit64: 8 MiB of whatever it is
                if d:
                    self.words(d, 8 << 20, (1 << 64) - 1)
                return 0
            case 318:  # getrandom
                self.put(a, os.urandom(b))
                return b
            case _:
                return -ENOSYS

    def open(self, path):
        if path.startswith((b"/proc/", b"/sys/", b"/dev/")) or not os.path.isfile(path):
            return -ENOENT
        number = max(self.files, default=9) + 1
        self.files[number] = {"data": Path(os.fsdecode(path)).read_bytes(), "at": 0, "node": os.stat(path).st_ino}
        return number

    def read(self, number, to, count, at):
        if number not in self.files:
            return 0
        file = self.files[number]
        begin = file["at"] if at is None else at
        part = file["data"][begin : begin + count]
        if at is None:
            file["at"] += len(part)
        self.put(to, part)
        return len(part)

    def stat(self, number, to):
        self.put(to, bytes(144))
        file = self.files.get(number)
        mode = 0o100644 if file else 0o020620
        self.put(to + 24, struct.pack("<I", mode))
        if file:
            self.words(to, 1, file["node"])
            self.words(to + 48, len(file["data"]))
        return 0

    def map(self, wanted, count, flags, number, offset):
        is_fixed, is_anonymous = flags & 0x10, flags & 0x20
        at = wanted
        if not is_fixed:
            at = self.mapped
            self.mapped += pages(count) + PAGE
        data = b"" if is_anonymous else self.files[number]["data"][offset : offset + count]
        # Whatever was there before is gone.
        fresh = 0 if not is_fixed else pages(count) - len(data)
        self.put(at, data + bytes(max(fresh, 0)))
        return at


def segment(selector, attributes):
    made = bochscpu.Segment()
    made.selector, made.attr, made.base, made.limit, made.present = selector, attributes, 0, 0xFFFF_FFFF, True
    return made


def state(start, stack):
    """A processor in 64-bit mode, with all of AVX-512 switched on."""
    made = bochscpu.State()
    made.cr0 = 0x8001_0033  # PG, WP, NE, ET, MP, PE
    made.cr3 = TABLES
    made.cr4 = 0x5_06A0  # OSXSAVE, FSGSBASE, OSXMMEXCPT, OSFXSR, PGE, PAE
    made.efer = 0x501  # LMA, LME, SCE
    made.xcr0 = 0xE7  # x87, SSE, AVX and the three parts of AVX-512
    made.lstar, made.star, made.sfmask = SYSTEM_CALL, 8 << 32, 0
    made.mxcsr, made.mxcsr_mask, made.fpcw, made.fptw = 0x1F80, 0xFFFF, 0x37F, 0xFFFF
    made.cs = segment(8, 0xA09B)
    made.ss = made.ds = made.es = made.fs = made.gs = segment(16, 0xC093)
    made.rflags, made.rip, made.rsp = 2, start, stack
    return made


def main():
    words = sys.argv[1:]
    first = next((number for number, word in enumerate(words) if "=" not in word), None)
    if first is None:
        print(__doc__, file=sys.stderr)
        os._exit(2)
    guest = Guest(words[first:], words[:first])
    session = bochscpu.Session()
    session.missing_page_handler = lambda at: bochscpu.memory.page_insert(at & -PAGE, guest.host + (at & -PAGE))
    hook, met = bochscpu.Hook(), []

    def exception(session, _, vector, error):
        cpu = session.cpu
        met.append(f"exception {vector} ({error}) at {cpu.rip:#x}: {guest.memory[cpu.rip : cpu.rip + 12].hex()}")
        session.stop()

    def flushed(session, *_):
        if session.cpu.rip < ASK_FEATURES:
            answer = guest.system_call(session.cpu)
            if answer is not None:
                session.cpu.rax = answer % (1 << 64)
                return
        session.stop()

    hook.exception, hook.cache_cntrl = exception, flushed
    session.cpu.set_state(state(ASK_FEATURES, guest.stack))
    session.run([hook])
    if met or not session.cpu.rcx >> 11 & 1:
        print("emulate: the emulated processor has no AVX-512 VNNI", *met, file=sys.stderr)
        os._exit(2)
    session.cpu.set_state(state(guest.start, guest.stack))
    session.run([hook])
    if guest.exit_code is None:
        print("emulate:", *met, file=sys.stderr)
    # Not sys.exit: the processor still points into memory that would be gone.
    os._exit(3 if guest.exit_code is None else guest.exit_code)


if __name__ == "__main__":
    main()
