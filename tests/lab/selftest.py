"""The lab is what it says: python3 -m unittest lab.selftest   (root; PYTHONPATH=tests)"""

import os
import pathlib
import subprocess
import sys
import unittest

from lab import ejabberd, net, prosody, resolver
from lab.ca import CA
from lab.client import Client
from lab.nameserver import NameServer

NAMES = "10.99.0.53"
GONDOR, ROHAN = ("gondor.example", "osgiliath.example"), ("rohan.example", "edoras.example")
KILLED = """
from lab.net import Net
import os, signal
net = Net("killed")
net.host("only", "10.99.0.7").popen(["sleep", "1000"])
print(net.tag, net.processes[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def setUpModule():  # pylint: disable=invalid-name
    try:
        net.Net("self").close()
    except net.LabError as error:
        raise unittest.SkipTest(str(error))


class Hosts(unittest.TestCase):
    """Namespaces."""

    def test_hosts_reach_each_other_and_not_the_machine(self):
        with net.Net("self") as lab:
            one, other = lab.host("one", "10.99.0.3", "10.99.0.2"), lab.host("other", "10.99.0.12")
            listener = one.listen(("10.99.0.2", 5269))
            with other.connect(("10.99.0.2", 5269)) as sock, listener:
                accepted, address = listener.accept()
                accepted.close()
                self.assertEqual(address, sock.getsockname())
            with self.assertRaises(OSError):
                other.connect(("203.0.113.1", 53), 1)

    def test_a_program_sees_its_own_names_and_runs_as_its_user(self):
        before = pathlib.Path("/etc/resolv.conf").read_bytes()
        with net.Net("self") as lab:
            host = lab.host("one", "10.99.0.3")
            seen = host.run(["sh", "-c", "ls /run; cat /etc/resolv.conf /etc/hosts; id -un"],
                            user="nobody", resolv="10.99.0.53", hosts="10.99.0.9 mordor\n").stdout
        self.assertIn("nameserver 10.99.0.53\n", seen)
        self.assertIn("10.99.0.9 mordor\n", seen)
        self.assertNotIn("netns", seen)
        self.assertTrue(seen.endswith("nobody\n"), seen)
        self.assertEqual(before, pathlib.Path("/etc/resolv.conf").read_bytes())

    def test_nothing_is_left_behind(self):
        with net.Net("self") as lab:
            sleeper = lab.host("one", "10.99.0.3").popen(["sleep", "1000"])
        self.assertFalse(sleeper.running())
        self.assertEqual([], list(net.NETNS.glob(lab.tag + "*")))
        self.assertFalse(lab.dir.exists())

    def test_what_a_killed_run_left_is_swept_by_the_next(self):
        done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, check=False)
        tag, pid = done.stdout.split()
        self.assertTrue((net.NETNS / f"{tag}.only").exists())
        net.Net("self").close()
        self.assertEqual([], list(net.NETNS.glob(tag + "*")))
        self.assertFalse((net.HOME / tag).exists())
        self.assertFalse(pathlib.Path(f"/proc/{pid}/root").exists())

    def test_two_labs_live_side_by_side(self):
        with net.Net("self") as lab, net.Net("self") as second:
            with lab.host("one", "10.99.0.3").listen(("10.99.0.3", 53)), \
                    second.host("one", "10.99.0.3").listen(("10.99.0.3", 53)):
                pass


class Names(unittest.TestCase):
    """The signed zones, as a validating resolver sees them."""

    @classmethod
    def setUpClass(cls):
        cls.net = net.Net("self")
        cls.addClassCleanup(cls.net.close)
        cls.asker = cls.net.host("asker", "10.99.0.90")
        cls.names = NameServer(cls.net.host("names", NAMES),
                               {"plain.example": "unsigned", "liar.example": "bogus"})
        for domain in ("gondor.example", "plain.example", "liar.example"):
            cls.names.peer(domain, "10.99.0.50", starttls=5269)
        cls.names.start()

    def ask(self, name, kind=resolver.A):
        return resolver.ask(self.asker, NAMES, name, kind, self.names.anchor)

    def test_answers_and_their_absence_are_proven(self):
        self.assertEqual((["10.99.0.50"], True), (self.ask("xmpp.gondor.example").addresses(),
                                                  self.ask("xmpp.gondor.example").secure))
        for name in ("nothing.gondor.example", "name.of.the.world"):
            answer = self.ask(name)
            self.assertEqual((True, True), (answer.nxdomain, answer.secure), name)

    def test_an_unsigned_zone_is_insecure_and_a_forged_one_bogus(self):
        plain, liar = self.ask("xmpp.plain.example"), self.ask("xmpp.liar.example")
        self.assertEqual((False, False, 1), (plain.secure, plain.bogus, len(plain.data)))
        self.assertTrue(liar.bogus)

    def test_records_change_while_the_server_runs_and_outlive_a_restart(self):
        self.names.set("new.example", "A", "10.99.0.77")
        self.names.commit()
        self.assertEqual(["10.99.0.77"], self.ask("new.example").addresses())
        self.names.stop()
        with self.assertRaises(OSError):
            self.asker.connect((NAMES, 53), 1)
        self.names.start()
        self.assertTrue(self.ask("new.example").secure)
        self.names.set("new.example", "A")
        self.names.commit()
        self.assertTrue(self.ask("new.example").nxdomain)


class Peers(unittest.TestCase):
    """Two strict servers, without the gate: what they do is not fedgate's doing."""

    def make(self, auth):
        lab = net.Net("self")
        self.addCleanup(lab.close)
        ca, unknown = CA(lab.dir / "ca"), CA(lab.dir / "unknown", "Nobody Knows")
        alone = auth == "dialback"
        names = NameServer(lab.host("names", NAMES))
        servers = []
        for module, server, domains, address in (
                (prosody, prosody.Prosody, GONDOR, "10.99.0.50"),
                (ejabberd, ejabberd.Ejabberd, ROHAN, "10.99.0.51")):
            host = lab.host(domains[0].partition(".")[0], address)
            names.peer(domains[0], address, starttls=5269)
            names.peer(domains[1], address, direct=5270)
            identity = ca.issue(*domains, signed_by="self" if alone else "intermediate")
            config = module.peer_config(host, domains, identity,
                                        (unknown if alone else ca).root, auth)
            servers.append(server(host, config, domains, NAMES))
        names.start()
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
            for domain in server.domains:
                server.register("user", domain)
        return lab.host("test", "10.99.0.90"), servers

    def talk(self, auth):
        host, servers = self.make(auth)
        clients = {domain: Client(host, server.host.address, "user", domain)
                   for server in servers for domain in server.domains}
        for one, other in zip(GONDOR, ROHAN):
            for sender, receiver in ((one, other), (other, one)):
                sent = [clients[sender].message(clients[receiver].full, f"{n} <&>")
                        for n in range(5)]
                clients[receiver].wait(lambda stanza, last=sent[-1]: stanza.get("id") == last)
                got = [stanza.get("id") for stanza in clients[receiver].messages(sender)]
                self.assertEqual(sent, got, f"{sender} to {receiver}")
        return servers

    def check_log(self, server, wanted):
        text = server.log_text()
        for one, other in zip(GONDOR, ROHAN):
            for direction, pair in (("inbound", (one, other)), ("outbound", (other, one))):
                line = f"Accepted {direction} s2s {wanted} authentication {pair[0]} -> {pair[1]}"
                self.assertIn(line, text)

    def test_strict_peers_prove_themselves_by_certificates(self):
        _, rohan = self.talk("external")
        self.check_log(rohan, "EXTERNAL")
        self.assertIn("10.99.0.51:5270", rohan.log_text())

    def test_peers_with_unprovable_certificates_use_dialback(self):
        _, rohan = self.talk("dialback")
        self.check_log(rohan, "dialback")

    def test_a_strict_peer_refuses_a_certificate_of_nobody(self):
        lab = net.Net("self")
        self.addCleanup(lab.close)
        ca = CA(lab.dir / "ca")
        names = NameServer(lab.host("names", NAMES))
        servers = []
        for domain, address, how in (("gondor.example", "10.99.0.50", "intermediate"),
                                     ("mordor.example", "10.99.0.66", "self")):
            host = lab.host(domain.partition(".")[0], address)
            names.peer(domain, address, starttls=5269)
            config = prosody.peer_config(host, [domain], ca.issue(domain, signed_by=how), ca.root)
            servers.append(prosody.Prosody(host, config, [domain], NAMES))
        names.start()
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
            server.register("user")
        host = lab.host("test", "10.99.0.90")
        boromir, orc = (Client(host, server.host.address, "user", server.domains[0])
                        for server in servers)
        sent = orc.message(boromir.full, "open the gate")
        back = orc.wait(lambda stanza: stanza.get("id") == sent, what="the bounce")
        self.assertEqual("error", back.get("type"))
        self.assertEqual([], boromir.messages())


if __name__ == "__main__":
    unittest.main()
