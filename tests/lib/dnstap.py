"""A DNS forwarder that remembers what it was asked: between the gate and the lab's name server.

    tap = DnsTap(net.host("tap", "10.99.0.54"), "10.99.0.53")
    tap.asked("flood.")        # the names under `flood.` that came by, each with how often
"""

import collections
import select
import socket
import threading


def _name(query):
    """The name of a query's only question."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    return ".".join(labels) + "."


class DnsTap:
    """UDP only: what the lab's server answers fits."""

    def __init__(self, host, upstream):
        self.counts, self._lock = collections.Counter(), threading.Lock()
        self._near = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind((host.address, 53))
        self._far = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.connect((upstream, 53))
        self._waiting, self._next, self._stopped = {}, 0, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopped:
            for sock in select.select([self._near, self._far], [], [], 0.2)[0]:
                if sock is self._near:
                    self._ask()
                else:
                    self._answer()

    def _ask(self):
        query, client = self._near.recvfrom(65535)
        with self._lock:
            self.counts[_name(query)] += 1
        self._next = (self._next + 1) % 65536
        self._waiting[self._next] = (query[:2], client)
        self._far.send(self._next.to_bytes(2, "big") + query[2:])

    def _answer(self):
        answer = self._far.recv(65535)
        number, client = self._waiting.pop(int.from_bytes(answer[:2], "big"), (None, None))
        if client:
            self._near.sendto(number + answer[2:], client)

    def asked(self, zone):
        with self._lock:
            return {name: count for name, count in self.counts.items()
                    if ("." + name).endswith("." + zone)}

    def stop(self):
        self._stopped = True
        self._thread.join(5)
        self._near.close()
        self._far.close()
