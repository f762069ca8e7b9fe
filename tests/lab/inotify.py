"""Which files of a directory were opened, and how often: inotify."""

import collections
import ctypes
import os
import struct

IN_OPEN = 0x20
IN_NONBLOCK = os.O_NONBLOCK
HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_libc = ctypes.CDLL(None, use_errno=True)


class Opened:
    def __init__(self, directory):
        self.handle = _libc.inotify_init1(IN_NONBLOCK)
        if self.handle < 0 or _libc.inotify_add_watch(self.handle, os.fsencode(directory),
                                                      IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), f"inotify on {directory}")

    def take(self):
        """{file name: how often} since the last call."""
        found = collections.Counter()
        while True:
            try:
                data = os.read(self.handle, 65536)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                length = HEAD.unpack_from(data, at)[3]
                at += HEAD.size
                name = data[at:at + length].rstrip(b"\0").decode()
                if name:
                    found[name] += 1
                at += length

    def close(self):
        os.close(self.handle)
