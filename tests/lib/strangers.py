"""Many peers that nobody has proven yet, who all come at once: one asyncio loop, one address each
few of them, so that no one's share runs out.

    strangers = Strangers(net.host("strangers", *addresses), gate, identity)
    heard = strangers.come([("d1.example", "shire.example"), ...])   # [(what was said, seconds)]

Each says who it is, starts TLS with the one identity, says it again, and hears whether it may go on
by EXTERNAL, or what is wrong.
"""

import asyncio
import itertools
import time

from script import TLS, client_context, header

END = (b"</stream:features>", b"<stream:features/>", b"</stream:stream>")


class Strangers:
    def __init__(self, host, gate, identity):
        self.host, self.gate = host, gate
        self._context = client_context(identity)
        self._addresses = itertools.cycle(host.addresses)

    def _socket(self):
        sock = self.host.socket()
        sock.setblocking(False)
        sock.bind((next(self._addresses), 0))
        return sock

    @staticmethod
    async def _until(reader, *ends):
        data = b""
        while not any(end in data for end in ends):
            piece = await reader.read(65536)
            if not piece:
                break
            data += piece
        return data

    async def _one(self, sock, from_, to):
        """The last thing that was said."""
        began = time.monotonic()
        try:
            await asyncio.get_running_loop().sock_connect(sock, self.gate)
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(header(from_, to).encode())
            await self._until(reader, *END)
            writer.write(f"<starttls xmlns='{TLS}'/>".encode())
            await self._until(reader, b"<proceed")
            await writer.start_tls(self._context, server_hostname=to)
            writer.write(header(from_, to).encode())
            said = (await self._until(reader, *END)).decode("utf-8", "replace")
            writer.close()
        except OSError as error:
            said = f"{error!r}"
            sock.close()
        return said, time.monotonic() - began

    async def _all(self, pairs, seconds, apart_s):
        jobs = []
        for pair in pairs:
            jobs.append(asyncio.ensure_future(self._one(self._socket(), *pair)))
            await asyncio.sleep(apart_s)
        await asyncio.wait(jobs, timeout=seconds)
        for job in jobs:
            job.cancel()
        return [job.result() if job.done() and not job.cancelled() else ("", seconds)
                for job in jobs]

    def come(self, pairs, seconds=60, apart_s=0):
        """All at once, or one after the other; those that hear nothing within `seconds` after the
        last one came count as silent."""
        return asyncio.run(self._all(pairs, seconds, apart_s))
