"""A filter of system calls for the process of one file (seccomp), which holds for root, too.

The process may start threads, which some decoders need, but no processes. It may send no signal to others, trace none,
and open, delete or rename nothing. Where Linux has no such filter, the other limits remain.
"""

import ctypes
import errno
import os
import platform
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
CLONE_THREAD = 0x10000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH of each
X32 = 0x40000000  # numbers from here on are calls of a second kind on x86-64

# Numbers on x86-64 and on AArch64, None where it does not exist.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "open": (2, None),
    "creat": (85, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "memfd_create": (319, 279),
    "io_uring_setup": (425, 425),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "setrlimit": (160, 164),
    "prlimit64": (302, 261),
    "truncate": (76, 45),
    "unlink": (87, None),
    "rmdir": (84, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
}
CLONE, CLONE3, TGKILL = (56, 220), (435, 435), (234, 131)

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of the filter
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # places in the description of a call
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_libc = ctypes.CDLL(None)  # loaded here, since a limited process cannot


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict_system_calls() -> bool:
    """Installs the filter in this process; False where that is not possible. Needs `no_new_privs` or root."""
    machine = platform.machine()
    if machine not in MACHINES:
        return False
    instructions = _instructions(MACHINES[machine], list(MACHINES).index(machine))
    program = _Program(len(instructions) // 8, instructions)
    return bool(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _instructions(audit_number: int, column: int) -> bytes:
    refuse, allow = _step(_RETURN, _FAIL | errno.EPERM), _step(_RETURN, _ALLOW)
    steps = [_step(_LOAD, _MACHINE), _step(_EQUAL, audit_number, 1, 0), refuse, _step(_LOAD, _NUMBER)]
    if column == 0:
        steps += [_step(_AT_LEAST, X32, 0, 1), refuse]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            steps += [_step(_EQUAL, number, 0, 1), refuse]
    steps += [_step(_EQUAL, CLONE3[column], 0, 1), _step(_RETURN, _FAIL | errno.ENOSYS)]  # libc then uses clone
    for both, condition in ((CLONE, (_HAS_BITS, CLONE_THREAD)), (TGKILL, (_EQUAL, os.getpid()))):
        steps += [_step(_EQUAL, both[column], 0, 4), _step(_LOAD, _FIRST_ARGUMENT), _step(*condition, 0, 1)]
        steps += [allow, refuse]
    return b"".join([*steps, allow])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; the last two are how many of the next ones are skipped after a comparison."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
