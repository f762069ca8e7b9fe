#!/usr/bin/python3
"""Many scripted peers, or the backend of many tenants, in one process: numbered traffic, judged as
it arrives. Run inside a lab host and led over a control socket by crowd.py.

    load.py PLAN.json

Every pair (peer, tenant) has two flows: `in`, from the peer to the tenant, and `out`. A message's
id is FLOW-PAIR-NUMBER, its body begins with the time it was sent at. Whoever receives it checks
that it came on its own pair's stream, once and in order.
"""

import array
import asyncio
import base64
import json
import os
import re
import ssl
import sys
import time
import uuid

from script import (FEATURE_DIALBACK, FEATURE_EXTERNAL, SASL, TLS, attribute, client_context,
                    header, server_context)

MESSAGE = re.compile(rb"<message\b[^>]*? id='(in|out)-(\d+)-(\d+)'[^>]*><body>(\d+) x*</body>"
                     rb"</message>")
END_OF_MESSAGE = b"</message>"
TICK_S = 0.01
TOO_LATE_S = 1.0  # a sender that was kept waiting for so long skips what it has missed
AT_ONCE = 24      # negotiations at a time
PATIENCE_S = 60


class Link(asyncio.Protocol):
    """One connection. Until flow() it is a dialogue, from then on it carries one pair's flow."""

    def __init__(self, load, served=None):
        self.load, self.served = load, served
        self.buffer, self.lost, self.leaving = b"", None, False
        self.takes = self.pair = None  # the flow it receives
        self.wake = asyncio.Event()
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.load.links.add(self)
        if self.served:
            self.load.tasks.add(asyncio.ensure_future(self.served(self)))

    def data_received(self, data):
        self.buffer += data
        if self.takes:
            self.take()
        else:
            self.wake.set()

    def connection_lost(self, exc):
        self.load.links.discard(self)
        self.lost = f"{exc or 'closed'}; it had said {self.buffer[-300:]!r}"
        if self.pair is not None and not self.leaving:
            self.load.lost.append(f"{self.pair} {self.takes or 'sender'}: {self.lost}")
        self.wake.set()

    def send(self, text):
        self.transport.write(text if isinstance(text, bytes) else text.encode())

    async def expect(self, pattern):
        """Waits for the pattern and consumes up to its end; the matched text."""
        pattern = re.compile(pattern.encode(), re.S)
        end = time.monotonic() + PATIENCE_S
        while True:
            found = pattern.search(self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return found.group(0).decode()
            left = end - time.monotonic()
            if self.lost or left <= 0:
                raise ConnectionError(f"no {pattern.pattern!r} came: {self.lost or self.buffer!r}")
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def tls(self, context, name=None):
        self.buffer = b""
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, context, server_side=name is None, server_hostname=name)

    async def header(self, from_, to):
        self.send(header(from_, to))
        return attribute(await self.expect(r"<stream:stream[^>]*>"), "id")

    async def features(self):
        return await self.expect(r"<stream:features\s*/>|<stream:features.*?</stream:features>")

    # Carrying

    def flow(self, takes, pair):
        """From here on only messages of this flow may come (`takes` None: nothing may)."""
        self.takes, self.pair = takes or "nothing", pair
        self.take()

    def take(self):
        cut = self.buffer.rfind(END_OF_MESSAGE)
        now = time.monotonic_ns()
        if cut >= 0:
            cut += len(END_OF_MESSAGE)
            whole, self.buffer = self.buffer[:cut], self.buffer[cut:]
            at = 0
            for found in MESSAGE.finditer(whole):
                if found.start() != at:
                    self.load.complain(f"{self.pair} {self.takes}: {whole[at:found.start()]!r}")
                at = found.end()
                self.load.judge(self, found, now)
            if at != len(whole):
                self.load.complain(f"{self.pair} {self.takes}: {whole[at:]!r}")
        if self.buffer.endswith(b"</stream:stream>"):
            if not self.leaving:
                self.load.lost.append(f"{self.pair} {self.takes}: {self.buffer[-300:]!r}")
            self.leave()

    def leave(self):
        """Ends the stream in both directions."""
        if not self.leaving:
            self.leaving = True
            self.send("</stream:stream>")
        self.transport.close()


class Load:
    """What both roles share: counting, pacing, the control socket."""

    def __init__(self, plan):
        self.plan = plan
        self.pairs = [tuple(pair) for pair in plan["pairs"]]
        self.number = {pair: number for number, pair in enumerate(self.pairs)}
        self.flows = {}  # pair's number -> the link it sends on
        self.sent, self.received = {}, {}
        self.links, self.tasks = set(), set()
        self.wrong, self.lost, self.failed = [], [], []
        self.latencies = array.array("d")
        self.pacer = None

    # Counting

    def complain(self, what):
        if len(self.wrong) < 50:
            self.wrong.append(what)

    def judge(self, link, found, now):
        flow, pair, number = found.group(1).decode(), int(found.group(2)), int(found.group(3))
        if (flow, pair) != (link.takes, link.pair):
            self.complain(f"{flow}-{pair}-{number} came on the stream of {link.takes}-{link.pair}")
            return
        expected = self.received.get(pair, 0)
        if number != expected:
            self.complain(f"{flow}-{pair}: {number} came, not {expected}")
        self.received[pair] = number + 1
        self.latencies.append((now - int(found.group(4))) / 1e6)

    def report(self):
        return {"sent": self.sent, "received": self.received, "wrong": self.wrong,
                "lost": self.lost, "failed": self.failed, "links": len(self.links)}

    def take_latencies(self):
        """Milliseconds of what came since the last question."""
        found, self.latencies = sorted(self.latencies), array.array("d")
        if not found:
            return {"count": 0}
        at = lambda share: found[min(len(found) - 1, int(len(found) * share))]  # noqa: E731
        return {"count": len(found), "p50": at(0.5), "p99": at(0.99), "max": found[-1]}

    # Sending

    def say(self, pair):
        peer, tenant = self.pairs[pair]
        number = self.sent.get(pair, 0)
        from_, to = (peer, tenant) if self.flow == "in" else (tenant, peer)
        self.flows[pair].send(
            f"<message from='a@{from_}' to='b@{to}' type='chat' id='{self.flow}-{pair}-{number}'>"
            f"<body>{time.monotonic_ns()} {self.filler}</body></message>")
        self.sent[pair] = number + 1

    async def pace(self, per_second):
        turn, owed, last = 0, 0.0, time.monotonic()
        order = sorted(self.flows)
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            owed += min(now - last, TOO_LATE_S) * per_second * len(order)
            last = now
            while owed >= 1:
                pair = order[turn % len(order)]
                turn, owed = turn + 1, owed - 1
                if not self.flows[pair].lost:
                    self.say(pair)

    # Negotiating

    async def connect(self):
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(pair):
            async with limit:
                try:
                    self.flows[pair] = await self.dial(pair)
                except (OSError, asyncio.TimeoutError) as error:
                    self.failed.append(f"{self.pairs[pair]}: {error}")

        await asyncio.gather(*(one(pair) for pair in range(len(self.pairs))))

    async def open(self, address, ssl_context=None, name=None):
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: Link(self), *address, ssl=ssl_context, server_hostname=name)
        return link

    async def guarded(self, serve, link):
        try:
            await serve(link)
        except (OSError, KeyError, asyncio.TimeoutError) as error:
            if not link.leaving:
                self.failed.append(f"served: {error!r}")
            link.transport.close()

    # Control

    async def obey(self, word, request):
        if word == "connect":
            await self.connect()
        elif word == "start":
            self.filler = "x" * request["size"]
            self.pacer = asyncio.ensure_future(self.pace(request["per_second"]))
        elif word == "stop":
            self.pacer.cancel()
        elif word == "latencies":
            return self.take_latencies()
        elif word == "close":
            for link in list(self.links):
                link.leave()
        elif word == "quit":
            os._exit(0)
        return self.report()

    async def control(self, reader, writer):
        while line := await reader.readline():
            request = json.loads(line)
            answer = await self.obey(request["do"], request)
            writer.write(json.dumps(answer).encode() + b"\n")

    async def run(self):
        await self.listen()
        await asyncio.start_unix_server(self.control, self.plan["control"])
        await asyncio.Event().wait()


class World(Load):
    """The peers: pairs with an even number use STARTTLS, the others direct TLS; EXTERNAL."""

    flow = "in"

    def __init__(self, plan):
        super().__init__(plan)
        self.contexts = {}

    def context(self, peer, server, direct):
        key = (peer, server, direct)
        if key not in self.contexts:
            files = type("Identity", (), self.plan["identities"][peer])
            alpn = ["xmpp-server"] if direct else None
            self.contexts[key] = (server_context(files, self.plan["ca"], alpn) if server
                                  else client_context(files, alpn))
        return self.contexts[key]

    async def dial(self, number):
        peer, tenant = self.pairs[number]
        direct = bool(number % 2)
        context = self.context(peer, False, direct)
        link = await self.open(self.plan["gate"], context if direct else None,
                               tenant if direct else None)
        if not direct:
            await link.header(peer, tenant)
            await link.features()
            link.send(f"<starttls xmlns='{TLS}'/>")
            await link.expect(r"<proceed[^>]*>")
            await link.tls(context, tenant)
        await link.header(peer, tenant)
        await link.features()
        word = base64.b64encode(peer.encode()).decode()
        link.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{word}</auth>")
        await link.expect(r"<success[^>]*>")
        await link.header(peer, tenant)
        await link.features()
        link.flow(None, number)
        return link

    def by_name(self, direct):
        """A context that becomes that of the peer the gate asks for by SNI."""
        any_peer = type("Identity", (), self.plan["identities"][self.pairs[0][0]])
        context = server_context(any_peer, self.plan["ca"], ["xmpp-server"] if direct else None)

        def choose(sock, name, _):
            sock.context = self.context(name, True, direct)

        context.sni_callback = choose
        return context

    async def listen(self):
        loop = asyncio.get_running_loop()
        starttls, direct = self.by_name(False), self.by_name(True)
        address, port, direct_port = self.plan["listen"]

        async def serve_starttls(link):
            tag = await link.expect(r"<stream:stream[^>]*>")
            self.answer(link, tag, f"<starttls xmlns='{TLS}'><required/></starttls>")
            await link.expect(r"<starttls[^>]*/>")
            link.send(f"<proceed xmlns='{TLS}'/>")
            await link.tls(starttls)
            await self.serve(link)

        for served, number, context in ((serve_starttls, port, None),
                                        (self.serve, direct_port, direct)):
            await loop.create_server(
                lambda served=served: Link(self, lambda link: self.guarded(served, link)),
                address, number, ssl=context, backlog=512)

    @staticmethod
    def answer(link, tag, features):
        link.send(header(attribute(tag, "to"), attribute(tag, "from"), uuid.uuid4().hex)
                  + f"<stream:features>{features}</stream:features>")

    async def serve(self, link):
        tag = await link.expect(r"<stream:stream[^>]*>")
        peer, tenant = attribute(tag, "to"), attribute(tag, "from")
        shown = link.transport.get_extra_info("peercert") or {}
        if ("DNS", tenant) not in shown.get("subjectAltName", ()):
            self.complain(f"{tenant} shows the certificate of {shown.get('subjectAltName')}")
        self.answer(link, tag, FEATURE_EXTERNAL)
        await link.expect(r"<auth[^>]*>[^<]*</auth>|<auth[^>]*/>")
        link.send(f"<success xmlns='{SASL}'/>")
        tag = await link.expect(r"<stream:stream[^>]*>")
        self.answer(link, tag, "")
        link.flow("out", self.number[peer, tenant])


class Backend(Load):
    """The server of all tenants: plaintext, dialback in both directions."""

    flow = "out"

    def __init__(self, plan):
        super().__init__(plan)
        self.keys = {}  # (tenant, peer, id of the gate's header) -> our key

    async def dial(self, number):
        peer, tenant = self.pairs[number]
        link = await self.open(self.plan["gate"])
        stream_id = await link.header(tenant, peer)
        await link.features()
        key = self.keys[tenant, peer, stream_id] = uuid.uuid4().hex
        link.send(f"<db:result from='{tenant}' to='{peer}'>{key}</db:result>")
        answer = await link.expect(r"<db:result[^>]*>")
        if attribute(answer, "type") != "valid":
            raise ConnectionError(answer)
        link.flow(None, number)
        return link

    async def listen(self):
        await asyncio.get_running_loop().create_server(
            lambda: Link(self, lambda link: self.guarded(self.serve, link)),
            *self.plan["listen"], backlog=512)

    async def serve(self, link):
        tag = await link.expect(r"<stream:stream[^>]*>")
        peer, tenant = attribute(tag, "from"), attribute(tag, "to")
        link.send(header(tenant, peer, uuid.uuid4().hex)
                  + f"<stream:features>{FEATURE_DIALBACK}</stream:features>")
        asked = await link.expect(r"<db:(result|verify)[^>]*>[^<]*</db:\1>")
        name, body = asked[1:asked.index(" ")], asked[asked.index(">") + 1:asked.rindex("<")]
        if name == "db:result":
            link.send(f"<db:result from='{tenant}' to='{peer}' type='valid'/>")
            link.flow("in", self.number[peer, tenant])
            return
        from_, to, stream_id = (attribute(asked, one) for one in ("from", "to", "id"))
        kind = "valid" if self.keys.get((to, from_, stream_id)) == body else "invalid"
        link.send(f"<db:verify from='{to}' to='{from_}' id='{stream_id}' type='{kind}'/>")
        link.leaving = True
        await link.expect(r"</stream:stream>")
        link.leave()
        link.transport.close()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    role = {"world": World, "backend": Backend}[plan["role"]]
    asyncio.run(role(plan).run())


if __name__ == "__main__":
    main()
