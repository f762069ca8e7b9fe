"""What a validating resolver thinks of a name: libunbound, asked from inside a host."""

import ctypes
import dataclasses
import socket

A, SRV, TLSA = 1, 33, 52


class _Result(ctypes.Structure):  # struct ub_result of unbound.h
    _fields_ = [("qname", ctypes.c_char_p), ("qtype", ctypes.c_int), ("qclass", ctypes.c_int),
                ("data", ctypes.POINTER(ctypes.POINTER(ctypes.c_ubyte))),
                ("len", ctypes.POINTER(ctypes.c_int)), ("canonname", ctypes.c_char_p),
                ("rcode", ctypes.c_int), ("answer_packet", ctypes.c_void_p),
                ("answer_len", ctypes.c_int), ("havedata", ctypes.c_int),
                ("nxdomain", ctypes.c_int), ("secure", ctypes.c_int), ("bogus", ctypes.c_int),
                ("why_bogus", ctypes.c_char_p), ("was_ratelimited", ctypes.c_int),
                ("ttl", ctypes.c_int)]


@dataclasses.dataclass
class Answer:
    """rcode, raw records, and whether DNSSEC proved the answer or its absence."""
    rcode: int
    data: list
    secure: bool
    bogus: bool
    nxdomain: bool

    def addresses(self):
        return [socket.inet_ntoa(one) for one in self.data if len(one) == 4]


def _ask(server, anchor, name, kind):
    lib = ctypes.CDLL("libunbound.so.8")
    lib.ub_ctx_create.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.ub_ctx_create())
    try:
        lib.ub_ctx_set_fwd(context, server.encode())
        if anchor:
            lib.ub_ctx_add_ta_file(context, str(anchor).encode())
        pointer = ctypes.POINTER(_Result)()
        code = lib.ub_resolve(context, name.encode(), kind, 1, ctypes.byref(pointer))
        if code != 0:
            raise OSError(f"libunbound: error {code} for {name}")
        found, data = pointer.contents, []
        while found.havedata and found.data[len(data)]:
            data.append(bytes(found.data[len(data)][:found.len[len(data)]]))
        answer = Answer(found.rcode, data, bool(found.secure), bool(found.bogus),
                        bool(found.nxdomain))
        lib.ub_resolve_free(pointer)
        return answer
    finally:
        lib.ub_ctx_delete(context)


def ask(host, server, name, kind=A, anchor=None):
    """Asks `server` from `host`, validating from the trust anchor file when one is given."""
    return host.inside(lambda: _ask(server, anchor, name, kind))
