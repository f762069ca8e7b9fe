"""What a reload does: a start with 10,000 tenants and reloads of them under traffic; new
certificates, changed policies, removed tenants, files replaced behind the gate's back; second
instances and hard deaths."""

import json
import os
import shutil
import signal
import ssl
import time
import unittest

from cryptography import x509

import common
from crowd import Crowd, tenant_name
from lab import gate as lab_gate
from lab import inotify
from script import attribute, header, message
from stage import BACKEND, Stage

TENANTS, PAIRS = 10000, 200
PER_SECOND = 3
START_S = 2.0
STARTS = 5         # the best counts: the machine has other things to do
P99_MS = 250       # of messages that travel during a reload, on a busy machine
BROKEN = 5000
GROWTH = 1.25      # of memory between the first reload and the third


class TenThousand(unittest.TestCase):
    """In the order of their numbers, on one gate."""

    @classmethod
    def setUpClass(cls):
        cls.crowd = Crowd("reload", common.BINARY, TENANTS, PAIRS, own=2 * PAIRS)
        cls.addClassCleanup(cls.crowd.close)
        cls.gate = cls.crowd.gate
        cls.numbers = {}
        cls.addClassCleanup(cls.write_down)
        cls.opened = inotify.Opened(cls.gate.dir / "certs")
        cls.addClassCleanup(cls.opened.close)

    @classmethod
    def write_down(cls):
        common.LOGS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(cls.numbers, indent=1)
        (common.LOGS / "reload.json").write_text(text + "\n", encoding="utf-8")
        print(text)

    def file_of(self, number):
        return self.gate.dir / "tenants.d" / f"{tenant_name(number)}.ini"

    # The start

    def test_1_a_start_takes_less_than_two_seconds_and_reads_no_certificate(self):
        times = []
        self.crowd.stage.names.start()
        for number in range(STARTS):
            if number:
                self.assertEqual(self.gate.stop(), 0)
            began = time.monotonic()
            self.gate.start()
            times.append(time.monotonic() - began)
            if min(times) < START_S / 2:
                break
        self.numbers["start_s"] = times
        self.assertEqual(self.gate.wait_event("ready")["tenants"], TENANTS)
        if not common.SANITIZED:
            self.assertLess(min(times), START_S)
        self.assertEqual(self.opened.take(), {})
        self.numbers["pss_kib_idle"] = self.crowd.pss_kib()

    def test_2_a_certificate_is_read_when_it_is_first_needed_and_once_by_each_worker(self):
        for player in self.crowd.players:
            player.attach()
        self.assertEqual(self.crowd.connect(), [])
        opened = self.opened.take()
        self.assertEqual(sorted(opened), [f"{tenant_name(n)}.pem" for n in range(PAIRS)])
        self.assertLessEqual(max(opened.values()), 2, "read again by a worker that had it")
        self.numbers["pss_kib_connected"] = self.crowd.pss_kib()

    # Reloads

    def reload(self):
        """The event, and how the traffic fared meanwhile."""
        self.crowd.latencies()
        mark, began = self.gate.mark(), time.monotonic()
        event = self.gate.reload(60)
        took = time.monotonic() - began
        time.sleep(1.5)  # the workers take it over
        latencies = dict(zip(("in", "out"), self.crowd.latencies()))
        return mark, event, {"seconds": round(took, 2), "latency_ms": latencies}

    def test_3_one_broken_file_is_one_tenant_reported_and_no_stream_notices(self):
        self.crowd.begin(PER_SECOND)
        time.sleep(3)
        self.numbers["before_reload"] = dict(zip(("in", "out"), self.crowd.latencies()))
        broken = self.file_of(BROKEN)
        broken.write_text(broken.read_text(encoding="utf-8") + "[policy]\ninbound = trustd\n",
                          encoding="utf-8")
        mark, event, self.numbers["broken_reload"] = self.reload()
        self.assertEqual((event["outcome"], event["tenants"], event["faults"], event["kept_old"]),
                         ("degraded", TENANTS, 1, 1))
        faults = self.gate.events("config-fault", mark, level="error")
        self.assertEqual([(one["file"], one["key"]) for one in faults],
                         [(str(broken), "inbound")])
        self.check_untouched()
        self.numbers["pss_kib_after_first_reload"] = self.crowd.pss_kib()

    def test_4_all_files_changed_at_once_and_no_stream_notices(self):
        broken = self.file_of(BROKEN)
        text = broken.read_text(encoding="utf-8")
        broken.write_text(text.partition("[policy]")[0], encoding="utf-8")
        for number in range(TENANTS):
            with open(self.file_of(number), "a", encoding="utf-8") as file:
                file.write("[policy]\ninbound = trusted\n")
        _, event, self.numbers["changed_reload"] = self.reload()
        self.assertEqual((event["outcome"], event["changed"]), ("fine", TENANTS))
        self.check_untouched()

    def check_untouched(self):
        world, backend = self.crowd.both("report")
        for report in (world, backend):
            self.assertEqual((report["wrong"], report["lost"], report["failed"]), ([], [], []))
            self.assertEqual(report["links"], 2 * PAIRS)
        for name in ("broken_reload", "changed_reload"):
            for way, found in self.numbers.get(name, {"latency_ms": {}})["latency_ms"].items():
                self.assertGreater(found["count"], PAIRS, name)
                if not common.SANITIZED:
                    self.assertLess(found["p99"], P99_MS, f"{name} {way}")

    def test_5_removed_tenants_are_gone_and_nobody_else_notices(self):
        gone = range(0, 3)
        for number in gone:
            self.file_of(number).unlink()
        mark, event, self.numbers["removing_reload"] = self.reload()
        self.assertEqual((event["outcome"], event["removed"]), ("fine", len(gone)))
        reports = self.crowd.end()
        lost = [line for report in reports for line in report["lost"]]
        self.assertEqual({int(line.split()[0]) for line in lost}, set(gone), lost)
        self.assertTrue(all("host-gone" in line for report in reports for line in report["lost"]
                            if "sender" not in line and "nothing" in line), lost)
        for report in reports:
            self.assertEqual((report["wrong"], report["failed"]), ([], []))
        world, backend = reports
        for sender, receiver in ((world, backend), (backend, world)):
            sent, received = ({pair: count for pair, count in counts.items()
                               if int(pair) not in gone}
                              for counts in (sender["sent"], receiver["received"]))
            self.assertEqual(sent, received)
        self.assertTrue(self.gate.events(since=mark, reason="FG-S07"))
        self.numbers["pss_kib_after_last_reload"] = self.crowd.pss_kib()
        first, last = (sum(self.numbers[f"pss_kib_after_{which}_reload"].values())
                       for which in ("first", "last"))
        if not common.SANITIZED:
            self.assertLess(last, GROWTH * first, "what each reload leaves behind adds up")

    def test_6_the_gate_stops_in_time(self):
        began = time.monotonic()
        self.assertEqual(self.gate.stop(), 0)
        self.assertLess(time.monotonic() - began, 10)


VERIFIED = {"inbound": "verified", "outbound": "verified"}
RESULT = "<db:result from='{}' to='{}'>0123456789abcdef</db:result>"


class Reload(unittest.TestCase):
    """Each on a gate of its own."""

    def setUp(self):
        self.stage = Stage("reloads", common.BINARY)
        self.addCleanup(self.stage.close)
        self.gate, self.canary = self.stage.gate, self.stage.canary
        self.gate.set("log", level="info")

    def begin(self, *tenants, peers=()):
        for domain in tenants:
            self.stage.tenant(domain, policy=VERIFIED)
        for number, domain in enumerate(peers):
            self.stage.server(domain, port=5300 + number)
        self.stage.start()

    def proven(self, from_, to, **how):
        peer = self.stage.proven(from_, to, **how)
        self.addCleanup(peer.close)
        return peer

    def dial(self, tenant, peer):
        link = self.canary.dial(tenant, peer)
        self.addCleanup(link.close)
        return link

    def serial_shown(self, domain):
        """The serial number of the certificate a new connection gets."""
        with self.stage.direct(domain) as peer:
            der = peer.sock.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).serial_number

    @staticmethod
    def serial_of(identity):
        return x509.load_pem_x509_certificate(identity.chain.read_bytes()).serial_number

    def works(self, link, from_, to, ident):
        """A message on this stream of a peer still reaches the backend."""
        link.send(message(f"a@{from_}", f"b@{to}", "x", ident))
        self.canary_has(ident)

    def canary_has(self, ident):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if any(attribute(one, "id") == ident for one in self.canary.stanzas):
                return
            time.sleep(0.02)
        self.fail(f"{ident} did not come")

    def reload(self, outcome="fine", **fields):
        event = self.gate.reload()
        self.assertEqual(event["outcome"], outcome, event)
        self.assertEqual({key: event[key] for key in fields}, fields)
        time.sleep(0.3)  # the workers take it over

    # Certificates

    def test_a_new_certificate_serves_the_next_handshake_and_no_stream_notices(self):
        self.begin("shire.example")
        old, new = self.stage.identity("shire.example"), self.stage.ca.issue("shire.example")
        with self.proven("rohan.example", "shire.example") as peer:
            self.assertEqual(self.serial_shown("shire.example"), self.serial_of(old))
            self.gate.tenant("shire.example", f"{BACKEND}:5269", new, policy=VERIFIED)
            self.reload(changed=1)
            for _ in range(4):  # whichever worker takes it
                self.assertEqual(self.serial_shown("shire.example"), self.serial_of(new))
            self.works(peer, "rohan.example", "shire.example", "still")

    def test_a_replaced_file_is_not_served_before_a_reload_and_does_not_flood_the_log(self):
        """F07: what was not checked is not served; the event says what to do."""
        self.begin("shire.example", "bree.example")
        old, new = self.stage.identity("shire.example"), self.stage.ca.issue("shire.example")
        for _ in range(16):  # until both workers have it
            self.serial_shown("shire.example")
        mark = self.gate.mark()
        for domain in ("shire.example", "bree.example"):
            shutil.copyfile(new.chain, self.gate.dir / "tls" / f"{domain}.pem")
            shutil.copyfile(new.key, self.gate.dir / "tls" / f"{domain}.key")
        for _ in range(8):
            self.assertEqual(self.serial_shown("shire.example"), self.serial_of(old))
        for _ in range(60):  # one that nobody has needed so far
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.stage.direct("bree.example")
        told = self.gate.events("credential", mark)
        self.assertTrue(told and all(one["reason"] == "FG-K02" and "reload" in one["todo"] and
                                     one["tenant"] == "bree.example" for one in told), told)
        self.assertLessEqual(len(told), 4, "a line for every handshake")
        self.reload(changed=2)
        self.assertEqual(self.serial_shown("shire.example"), self.serial_of(new))

    def test_a_broken_renewal_keeps_the_old_pair(self):
        """M10, F07: half a file, and a key that is another's."""
        self.begin("shire.example")
        old, new = self.stage.identity("shire.example"), self.stage.ca.issue("shire.example")
        chain = self.gate.dir / "tls" / "shire.example.pem"
        for content in (new.chain.read_bytes()[:300], new.chain.read_bytes()):
            chain.write_bytes(content)
            self.reload("degraded", kept_old=1, faults=1)
        shutil.copyfile(old.chain, chain)
        self.reload()
        self.assertEqual(self.serial_shown("shire.example"), self.serial_of(old))

    def test_a_stream_between_its_handshake_and_its_header_does_not_notice(self):
        """SNI-4: the server name and `to` still are the same tenant, of another version."""
        self.begin("shire.example")
        identity = self.stage.identity("rohan.example")
        with self.stage.direct("shire.example", identity) as peer:
            self.stage.tenant("shire.example", policy={"inbound": "secure"})
            self.reload(changed=1)
            peer.header("rohan.example", "shire.example")
            self.assertIn("EXTERNAL", peer.features())

    # Policies

    def dialback(self, from_, to):
        """A stream of a peer whose certificate proves nothing."""
        peer = self.stage.secured(from_, to, self.stage.identity("nobody.example"))
        self.addCleanup(peer.close)
        peer.features()
        peer.send(RESULT.format(from_, to))
        peer.expect("<db:result[^>]*type='valid'")
        return peer

    def test_a_stricter_policy_ends_streams_that_do_not_reach_it_and_no_others(self):
        """M-3."""
        self.begin("shire.example", "bree.example", peers=("rohan.example", "gondor.example"))
        weak = self.dialback("rohan.example", "shire.example")
        strong = self.proven("gondor.example", "shire.example")
        elsewhere = self.dialback("rohan.example", "bree.example")
        self.works(weak, "rohan.example", "shire.example", "before")
        mark = self.gate.mark()
        self.stage.tenant("shire.example", policy={"inbound": "trusted", "outbound": "trusted"})
        self.reload(changed=1)
        self.assertIn("policy-violation", weak.expect_closed(5))
        self.gate.wait_event("stream-down", since=mark, reason="FG-M01",
                             **{"from": "rohan.example"})
        self.works(strong, "gondor.example", "shire.example", "strong")
        self.works(elsewhere, "rohan.example", "bree.example", "elsewhere")

    def test_an_authority_that_is_no_longer_trusted_proves_no_stream_any_more(self):
        """C28: and who comes after the reload is judged without it, until it is there again."""
        self.stage.tenant("bree.example", policy=VERIFIED)
        own = self.gate.dir / "own.pem"
        shutil.copyfile(self.stage.other_ca.root, own)
        trusted = {"inbound": "trusted", "outbound": "trusted"}
        self.stage.tenant("shire.example", policy={**trusted, "ca_file": own})
        self.begin()
        friend = self.proven("rohan.example", "shire.example",
                             identity=self.stage.other_ca.issue("rohan.example"))
        other = self.proven("gondor.example", "shire.example")
        self.works(friend, "rohan.example", "shire.example", "before")
        self.stage.tenant("shire.example", policy=trusted)
        self.reload(changed=1)
        self.assertIn("<stream:error>", friend.expect_closed(5))
        with self.stage.connect() as again:
            again.header("rohan.example", "shire.example")
            again.starttls("shire.example", self.stage.other_ca.issue("rohan.example"))
            again.send(header("rohan.example", "shire.example"))
            self.assertIn("FG-C04", again.expect_closed(12))
        self.stage.tenant("shire.example", policy={**trusted, "ca_file": own})
        self.reload(changed=1)
        friend = self.proven("rohan.example", "shire.example",
                             identity=self.stage.other_ca.issue("rohan.example"))
        self.works(friend, "rohan.example", "shire.example", "again")
        self.works(other, "gondor.example", "shire.example", "other")

    def test_a_stricter_policy_ends_outbound_streams_that_do_not_reach_it(self):
        """What the backend sends from then on comes back with the reason."""
        self.stage.server("rohan.example", port=5300, external=False,
                          identity=self.stage.other_ca.issue("rohan.example"))
        self.begin("shire.example")
        remote = self.stage.listeners[-1]
        link = self.dial("shire.example", "rohan.example")
        link.expect("<db:result[^>]*type='valid'")
        link.send(message("a@shire.example", "b@rohan.example", "x", "before"))
        remote.wait_for(1)
        self.stage.tenant("shire.example", policy={"inbound": "trusted", "outbound": "trusted"})
        self.reload(changed=1)
        link.send(message("a@shire.example", "b@rohan.example", "x", "after"))
        self.canary_has("after")
        self.assertEqual(len(remote.stanzas), 1)

    # Tenants

    def test_a_removed_tenant_s_streams_are_closed_with_host_gone(self):
        """C24: though its neighbour's certificate, which was its own too, goes on naming it."""
        both = self.stage.ca.issue("shire.example", "bree.example")
        self.stage.identities.update({"shire.example": both, "bree.example": both})
        self.begin("shire.example", "bree.example", peers=("rohan.example",))
        gone = self.proven("rohan.example", "shire.example")
        stays = self.proven("rohan.example", "bree.example")
        backend = self.dial("shire.example", "rohan.example")
        backend.expect("<db:result[^>]*type='valid'")
        self.works(gone, "rohan.example", "shire.example", "before")
        mark = self.gate.mark()
        self.gate.remove_tenant("shire.example")
        self.reload(removed=1)
        for link in (gone, backend):
            self.assertIn("<host-gone ", link.expect_closed(5))
        legs = {one["leg"] for one in self.gate.events(since=mark, reason="FG-S07")}
        self.assertEqual(legs, {"W-IN", "B-OUT"})
        self.works(stays, "rohan.example", "bree.example", "stays")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.stage.direct("shire.example")
        with self.stage.direct("bree.example", self.stage.identity("rohan.example")) as peer:
            peer.header("rohan.example", "shire.example", answered=False)
            self.assertIn("<host-unknown ", peer.expect_closed(5))
        self.assertEqual(self.serial_shown("bree.example"), self.serial_of(both))

    def test_a_neighbour_that_is_removed_gets_nothing_more(self):
        """ADR-8: a stream inside the gate ends with either of the two."""
        self.begin("shire.example", "bree.example")
        link = self.dial("shire.example", "bree.example")
        link.expect("<db:result[^>]*type='valid'")
        link.send(message("a@shire.example", "b@bree.example", "x", "before"))
        self.canary_has("before")
        self.gate.remove_tenant("bree.example")
        self.reload(removed=1)
        self.assertIn("<host-gone ", link.expect_closed(5))

    def test_a_neighbour_whose_policy_becomes_stricter_is_asked_again(self):
        """ADR-8, M-3: what the sender shows must reach the receiver's floor of now."""
        self.stage.tenant("shire.example", policy=VERIFIED,
                          identity=self.stage.ca.issue("shire.example", signed_by="self"))
        self.begin("bree.example")
        link = self.dial("shire.example", "bree.example")
        link.expect("<db:result[^>]*type='valid'")
        self.stage.tenant("bree.example", policy={"inbound": "trusted", "outbound": "verified"})
        self.reload(changed=1)
        self.assertIn("<policy-violation ", link.expect_closed(5))

    def test_an_emptied_directory_is_a_fault_and_evicts_nobody(self):
        self.begin("shire.example", "bree.example")
        peers = {domain: self.proven("rohan.example", domain)
                 for domain in ("shire.example", "bree.example")}
        away = self.gate.dir / "tenants.away"
        (self.gate.dir / "tenants.d").rename(away)
        self.reload("degraded", tenants=2, removed=0)
        (self.gate.dir / "tenants.d").mkdir()
        self.reload("degraded", tenants=2, removed=0)
        for domain, peer in peers.items():
            self.works(peer, "rohan.example", domain, f"stays-{domain}")

    def test_a_fault_in_the_gate_s_own_file_leaves_everything_as_it_was(self):
        self.begin("shire.example")
        peer = self.proven("rohan.example", "shire.example")
        self.gate.set("gate", listne="10.99.0.3:5269")
        event = self.gate.reload()
        self.assertIn("refused", event["outcome"])
        self.works(peer, "rohan.example", "shire.example", "stays")


class Instances(unittest.TestCase):
    """One gate per configuration, and what is left when it dies hard."""

    def setUp(self):
        self.stage = Stage("instances", common.BINARY)
        self.addCleanup(self.stage.close)
        self.gate = self.stage.gate
        self.stage.tenant("shire.example", policy=VERIFIED)

    def serve(self, config):
        """A gate that must not come up: its exit status and what it said. It leaves freeing to the
        process's end, which a sanitizer would take for leaks."""
        done = self.gate.host.run([self.gate.binary, "serve", "--config", config], check=False,
                                  seconds=10, env={"ASAN_OPTIONS": "detect_leaks=0"})
        return done.returncode, done.stderr

    def test_a_second_instance_of_the_same_tenants_refuses_to_start(self):
        self.stage.start()
        other = self.gate.dir / "other.ini"
        text = (self.gate.dir / "fedgate.ini").read_text(encoding="utf-8")
        other.write_text(text.replace(":52", ":62").replace(":53\n", ":63\n"), encoding="utf-8")
        status, said = self.serve(other)
        self.assertEqual(status, 3, said)
        self.assertIn("another fedgate serves these tenants", said)
        with self.stage.proven("rohan.example", "shire.example"):
            pass

    def test_a_port_that_another_program_has_is_told_at_start(self):
        for port in ((lab_gate.PUBLIC, 5269), (lab_gate.EGRESS, 5275), (lab_gate.EGRESS, 53)):
            with self.subTest(port=port), self.gate.host.listen(port):
                self.gate.write()
                status, said = self.serve(self.gate.dir / "fedgate.ini")
                self.assertEqual(status, 3, said)
                self.assertRegex(said, rf"{port[0]}:{port[1]}: another program has this port")

    def test_a_gate_killed_hard_starts_again_at_once(self):
        """F05: its children end by themselves, nothing of it is in the way."""
        self.stage.names.start()
        for _ in range(5):
            self.gate.start()
            children = [*self.gate.children().values(), *self.gate.children("steer").values()]
            self.assertEqual(len(children), 3)
            peer = self.stage.proven("rohan.example", "shire.example")
            self.addCleanup(peer.close)
            os.kill(self.gate.process.pid, signal.SIGKILL)
            self.gate.process.popen.wait(5)
            self.assertIn("system-shutdown", peer.expect_closed(6))
            self.wait_for_end(children)
        self.gate.start()
        with self.stage.proven("rohan.example", "shire.example"):
            pass

    def wait_for_end(self, pids):
        end = time.monotonic() + 6
        while time.monotonic() < end:
            if not any(os.path.exists(f"/proc/{pid}/exe") and self.lives(pid) for pid in pids):
                return
            time.sleep(0.02)
        self.fail("children outlive their supervisor")

    @staticmethod
    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                return stat.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
