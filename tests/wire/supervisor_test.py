"""What the supervisor makes of children that are not what they should be."""

import ctypes
import os
import pathlib
import signal
import socket
import unittest

import common
from stage import Stage

PIDFD_OPEN, PIDFD_GETFD, CHANNEL = 434, 438, 3


def channel_of(pid):
    """The child's own end of its channel: what code that took over the child would have."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    fd = libc.syscall(PIDFD_GETFD, pidfd, CHANNEL, 0)
    os.close(pidfd)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=fd)


class Supervisor(unittest.TestCase):
    def setUp(self):
        self.stage = Stage("supervisor", common.BINARY)
        self.addCleanup(self.stage.close)
        self.stage.tenant("shire.example")
        self.stage.start()
        self.gate = self.stage.gate

    def test_a_child_that_talks_nonsense_is_replaced(self):
        """It would get no more answers: no key, no certificate, for as long as it lived."""
        mark, pid = self.gate.mark(), self.gate.children()[0]
        with channel_of(pid) as channel:
            channel.send(b"nonsense")
        self.gate.wait_event("child-lost", since=mark, number=0, signal=signal.SIGKILL)
        self.gate.wait_event("worker-up", since=mark, n=0)

    def test_a_child_keeps_no_configuration_of_before(self):
        """Its memory would be held as long as the child lives."""
        for pid in self.gate.children().values():
            held = [os.readlink(one) for one in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            self.assertEqual([one for one in held if "fedgate-" in one], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
