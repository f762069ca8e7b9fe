"""README.md followed to the letter, as a hosting provider would, on an overlay of this machine: the
gate installed, one tenant, the server of the distribution edited by the commands that stand there;
then a stranger's server asks it something and gets the answer."""

import pathlib
import shutil
import time
import unittest

import common

common.LOGS.mkdir(parents=True, exist_ok=True)

from lab import prosody  # noqa: E402
from lab.ca import CA  # noqa: E402
from lab.client import Client  # noqa: E402
from lab.nameserver import NameServer  # noqa: E402
from lab.net import Net  # noqa: E402
from machine import Machine, private_mounts  # noqa: E402
import readme  # noqa: E402

NAMES, GATE, PEER, TEST = "10.99.0.53", "10.99.0.3", "10.99.0.50", "10.99.0.90"
WAIT_S = 40
# The lab's addresses are private, and its authority is nobody else's.
LABORATORY = "\n[dns]\nallow_private = 10.99.0.0/24\ntrust_anchor =\n"
DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


def setUpModule():
    private_mounts()


class Readme(unittest.TestCase):
    """One machine, one stranger."""

    def setUp(self):
        self.net = Net("readme")
        self.addCleanup(self.net.close)
        self.ca = CA(self.net.dir / "ca")
        self.names = NameServer(self.net.host("names", NAMES))
        self.machine = Machine(self.net.host("gate", GATE), NAMES, lent=[common.ROOT])
        self.addCleanup(self.end_machine)
        for domain in ("shire.example", "conference.shire.example"):
            self.names.peer(domain, GATE, starttls=5269, direct=5269)
        self.start_peer()
        self.trust_the_lab()

    def end_machine(self):
        for name in ("fedgate", "prosody", "ejabberd"):
            target = common.LOGS / "readme"
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{self.id().rpartition('.')[2]}-{name}.log").write_text(
                self.machine.log(name))
        self.machine.close()

    def start_peer(self):
        """gondor.example: TLS and a certificate are demanded."""
        self.names.peer("gondor.example", PEER, starttls=5269)
        host = self.net.host("gondor", PEER)
        config = prosody.peer_config(host, ["gondor.example"], self.ca.issue("gondor.example"),
                                     self.ca.root)
        self.peer = prosody.Prosody(host, config, ["gondor.example"], NAMES)
        self.names.start()
        self.peer.start()
        self.peer.wait()
        self.peer.register("boromir")

    def trust_the_lab(self):
        bundle = self.machine.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + pathlib.Path(self.ca.root).read_text())

    def certificates(self):
        """What an authority has sent, in the directory where the commands are typed."""
        identity = self.ca.issue("shire.example", "conference.shire.example")
        home = self.machine.path("/root/certificates")
        home.mkdir()
        shutil.copyfile(identity.chain, home / "fullchain.pem")
        shutil.copyfile(identity.key, home / "privkey.pem")
        return "/root/certificates"

    def follow(self, server):
        """Steps 1 to 4, for one of the two servers."""
        self.machine.shell(readme.commands("install"), cwd=common.ROOT, seconds=600)
        for path, text in readme.files().items():
            self.machine.write(path, text)
        self.machine.shell(readme.commands("certificate"), cwd=self.certificates())
        own = self.machine.path("/etc/fedgate/fedgate.ini")
        own.write_text(own.read_text() + LABORATORY)
        self.machine.shell(readme.commands("check"))
        self.machine.shell(readme.commands(server))
        self.machine.shell(readme.commands("start").replace("prosody", server))

    def ask(self, what, to):
        """The answer to an iq from gondor's user, as soon as there is one that is no error."""
        boromir = Client(self.net.host("test", TEST), PEER, "boromir", "gondor.example")
        self.addCleanup(boromir.close)
        end = time.monotonic() + WAIT_S
        while True:
            answer = boromir.query(to, what, seconds=WAIT_S)
            if answer.get("type") == "result" or time.monotonic() > end:
                return answer
            time.sleep(0.5)

    def check_it_works(self, server):
        answer = self.ask(DISCO, "shire.example")
        said = "".join(self.machine.log(name) for name in ("fedgate", server))[-4000:]
        self.assertEqual((answer.get("type"), answer.get("from")), ("result", "shire.example"), said)
        shown = self.machine.shell(readme.commands("look"))
        self.assertIn("subject=CN = shire.example", shown)
        log = self.machine.log("fedgate")
        for leg in ("W-IN", "W-OUT"):
            self.assertIn(f'"leg":"{leg}"', log)
        counters = self.machine.shell(f"nft list counters table inet fedgate_{server}")
        self.assertRegex(counters, r"counter to_gate \{\s+packets [1-9]")

    def test_prosody_stands_behind_the_gate(self):
        self.follow("prosody")
        self.check_it_works("prosody")

    def test_ejabberd_stands_behind_the_gate(self):
        self.follow("ejabberd")
        self.check_it_works("ejabberd")


if __name__ == "__main__":
    unittest.main()
