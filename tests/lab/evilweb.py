"""An HTTPS server for what no honest one does: it drips, floods, hangs, lies and goes in circles.

    evil = EvilWeb(net.host("evil-web", "10.99.0.81"), web_ca.issue("one.example", "two.example"))
    evil.at("one.example", drip(b"{" + 1000 * b" ", 0.5))
    evil.at("two.example", redirect("https://two.example/again"), path="/again")
    evil.requests              # (time, host, path) of each request, oldest first
    evil.most_at_once          # the highest number of requests that waited at the same time

A behaviour is a function (link, request) that writes to the connection; it is closed afterwards.
"""

import collections
import contextlib
import json
import socket
import ssl
import threading
import time

Request = collections.namedtuple("Request", "time host path")
PATIENCE_S = 120


def _head(status, headers):
    lines = [f"HTTP/1.1 {status}"] + [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# Behaviours

def document(body, status="200 OK", kind="application/json", **headers):
    """A whole answer; dictionaries become JSON. Further headers: Content_Encoding="gzip"."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    body = body.encode() if isinstance(body, str) else body
    more = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(link, _):
        given = {"Content-Type": kind, "Content-Length": len(body), "Connection": "close", **more}
        link.sendall(_head(status, given) + body)
    return answer


def redirect(target, status="302 Found"):
    return document(b"", status, Location=target)


def circle(link, request):
    """Every answer leads to another path of the same host, without an end."""
    redirect(f"https://{request.host}{request.path}x")(link, request)


def hang(link, _):
    """Takes the request and says nothing, until the other side has had enough."""
    link.settimeout(PATIENCE_S)
    while link.recv(4096):
        pass


def drip(body, pause_s, headers=True):
    """One byte at a time; without `headers` the headers drip too."""
    def answer(link, _):
        head = _head("200 OK", {"Content-Type": "application/json", "Content-Length": len(body)})
        if headers:
            link.sendall(head)
        for byte in body if headers else head + body:
            link.sendall(bytes([byte]))
            time.sleep(pause_s)
    return answer


def flood(total, chunked=False, told=None, byte=b" "):
    """A body of `total` bytes; `told`: what Content-Length says instead; `chunked`: no word."""
    def answer(link, _):
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": told or total}
        link.sendall(_head("200 OK", {"Content-Type": "application/json", **length}))
        block = 65536 * byte
        left = total
        while left > 0:
            piece = block[:left]
            left -= len(piece)
            link.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            link.sendall(b"0\r\n\r\n")
    return answer


def endless_headers(link, _):
    link.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-Nothing: " + 1000 * b"x" + b"\r\n"
    while True:
        link.sendall(line)


def cut(body, after):
    """Promises the whole body and closes after a part of it."""
    def answer(link, _):
        link.sendall(_head("200 OK", {"Content-Type": "application/json",
                                      "Content-Length": len(body)}) + body[:after])
    return answer


def raw(data):
    """Bytes instead of HTTP."""
    def answer(link, _):
        link.sendall(data)
    return answer


class EvilWeb:
    """One listener on port 443 (or another), a thread per connection."""

    def __init__(self, host, identity, port=443, address=None):
        self.host, self.address = host, address or host.address
        self.requests, self.connections = [], 0
        self.most_at_once, self._now = 0, 0
        self.otherwise = document("nothing here", "404 Not Found", "text/plain")
        self.slow_s = 0    # how long each request takes before it is answered
        self.mute = False  # True: connections are taken and TLS is not answered
        self._behaviours, self._lock = {}, threading.Condition()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.chain, identity.key)
        self._sock = host.listen((self.address, port), 1024)
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, domain, behaviour, path=None):
        """What happens at `domain`, at one path or at all without one of their own."""
        self._behaviours[domain, path] = behaviour

    def forget(self):
        """All behaviours and requests."""
        with self._lock:
            self._behaviours.clear()
            self.requests.clear()

    def asked(self, domain=None, path=None):
        with self._lock:
            return [one for one in self.requests
                    if domain in (None, one.host) and path in (None, one.path)]

    def wait_for(self, count, seconds=10):
        """Waits for so many requests."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self.requests) >= count, seconds):
                raise TimeoutError(f"{len(self.requests)} requests of {count} came")

    def stop(self):
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(PATIENCE_S)
        with sock, contextlib.suppress(OSError, ValueError):
            if self.mute:
                hang(sock, None)
                return
            with self._context.wrap_socket(sock, server_side=True) as link:
                request = self._read(link)
                behaviour = self._behaviour(request)
                with self._under_way():
                    time.sleep(self.slow_s)
                behaviour(link, request)

    @staticmethod
    def _read(link):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = link.recv(4096)
            if not piece:
                raise ValueError("no request")
            data += piece
        lines = data.decode("latin-1").split("\r\n")
        host = next(line[5:].strip() for line in lines if line.lower().startswith("host:"))
        return Request(time.time(), host.partition(":")[0], lines[0].split()[1])

    def _behaviour(self, request):
        with self._lock:
            self.requests.append(request)
            self._lock.notify_all()
        return (self._behaviours.get((request.host, request.path))
                or self._behaviours.get((request.host, None)) or self.otherwise)

    @contextlib.contextmanager
    def _under_way(self):
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1
