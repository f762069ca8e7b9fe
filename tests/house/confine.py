"""Runs a command as systemd would run it for a unit, as far as the command could notice.

    confine.py UNIT STATE_DIRECTORY COMMAND...

From the unit: the capability bounding set, no new privileges, the system calls, the address
families, no writable and executable memory, and a file system that is read-only but for the state
directory. To be started inside a mount namespace of its own (unshare --mount).
"""

import ctypes
import os
import re
import subprocess
import sys

import seccomp

CAPABILITIES = """chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore""".split()
PR_CAPBSET_DROP = 24
EPERM = 1
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
HIGHEST_FAMILY = 45


def values(unit, key):
    """What the unit says for a key, line by line."""
    with open(unit, encoding="utf-8") as file:
        return re.findall(rf"^{key}=(.*)$", file.read(), re.MULTILINE)


def call_sets():
    """systemd's own sets of system calls: {"@io-event": {...}}."""
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True,
                          capture_output=True, text=True).stdout
    sets, name = {}, None
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = set()
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].add(line.strip())
        elif line.startswith("#"):
            name = None
    return sets


def resolve(word, sets):
    if not word.startswith("@"):
        return {word}
    return set().union(*(resolve(inner, sets) for inner in sets[word]))


def allowed_calls(unit):
    sets = call_sets()
    allowed = resolve("@default", sets)  # systemd puts these first, whatever the unit says
    for line in values(unit, "SystemCallFilter"):
        calls = set().union(*(resolve(word, sets) for word in line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def filter_calls(unit):
    calls = seccomp.SyscallFilter(seccomp.ERRNO(EPERM))
    for name in allowed_calls(unit):
        try:
            calls.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, OSError, ValueError):
            pass  # not a call of this architecture
    calls.load()


def filter_arguments(unit):
    """RestrictAddressFamilies and MemoryDenyWriteExecute."""
    wx = PROT_WRITE | PROT_EXEC
    deny = seccomp.ERRNO(EPERM)
    arguments = seccomp.SyscallFilter(seccomp.ALLOW)
    families = {FAMILIES[name] for name in values(unit, "RestrictAddressFamilies")[0].split()}
    for family in set(range(HIGHEST_FAMILY)) - families:
        arguments.add_rule(deny, "socket", seccomp.Arg(0, seccomp.EQ, family))
    if values(unit, "MemoryDenyWriteExecute") == ["yes"]:
        arguments.add_rule(deny, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, wx, wx))
        arguments.add_rule(deny, "mprotect",
                           seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    arguments.load()


def drop_capabilities(unit):
    kept = {word.lower().removeprefix("cap_")
            for word in values(unit, "CapabilityBoundingSet")[0].split()}
    if not kept < set(CAPABILITIES):
        sys.exit(f"confine.py: unknown capabilities in {unit}: {kept - set(CAPABILITIES)}")
    libc = ctypes.CDLL(None, use_errno=True)
    for number, name in enumerate(CAPABILITIES):
        if name not in kept and libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            sys.exit(f"confine.py: cannot drop {name}: {os.strerror(ctypes.get_errno())}")


def read_only(state):
    """Everything is read-only, but for the state directory."""
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo", encoding="ascii")]
    subprocess.run(["mount", "--bind", state, state], check=True)
    for point in mounts:
        if not point.startswith(("/proc", "/sys", "/dev", "/run/netns")):
            subprocess.run(["mount", "-o", "remount,bind,ro", point], check=True)


def main():
    unit, state, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    read_only(state)
    drop_capabilities(unit)
    filter_arguments(unit)
    filter_calls(unit)  # the last one: it forbids what the others need
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
