"""`fedgate explain` against the running gate: what it tells is what the log and the peer were told,
whichever worker it was, also when that worker is dead and after a reload."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import common
from script import message
from stage import Stage

BINARY = common.BINARY


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("explain", BINARY)
        cls.addClassCleanup(stage.close)
        stage.tenant("shire.example", tenant={"domains": "conference.shire.example"},
                     identity=stage.ca.issue("shire.example", "conference.shire.example"),
                     policy={"inbound": "trusted"})
        stage.tenant("bree.example")
        stage.tenant("xn--bcher-kva.example")
        stage.server("rohan.example", port=5320)
        stage.start()
        cls.gate = stage.gate

    def setUp(self):
        self.mark = self.gate.mark()

    # Asking

    def explain(self, *words, status=0, user=None):
        argv = [BINARY, "explain", *words, "--config", self.gate.dir / "fedgate.ini"]
        how = {"user": user, "group": user, "extra_groups": []} if user else {}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, **how)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status < 2 else done.stderr

    def decisions(self, tenant, peer, *more, status=0):
        answer = json.loads(self.explain(tenant, peer, "--json", *more, status=status))
        return answer["decisions"]

    def wait_for_decision(self, tenant, peer, count=1):
        """The peer hears it a moment before it is written down."""
        for _ in range(100):
            answer = json.loads(self.explain_whatever(tenant, peer))
            if len(answer["decisions"]) >= count:
                return answer["decisions"][0]
            time.sleep(0.05)
        return self.fail(f"no decision about {tenant} and {peer}")

    def explain_whatever(self, tenant, peer):
        return subprocess.run(
            [BINARY, "explain", tenant, peer, "--json", "--last", "50", "--config",
             self.gate.dir / "fedgate.ini"], capture_output=True, text=True, timeout=20,
            check=False).stdout

    def ask(self, line, seconds=15):
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(seconds)
            admin.connect(str(self.gate.dir / "admin.sock"))
            admin.sendall(line.encode() + b"\n")
            return json.loads(admin.makefile("rb").readline())

    def refused(self, peer, tenant="shire.example"):
        """A peer with somebody else's certificate; what it was told when it was closed."""
        with self.stage.connect() as link:
            link.header(peer, tenant)
            link.starttls(tenant, self.stage.identity("barad-dur.example"))
            link.header(peer, tenant)
            return link.expect_closed(10)

    # What is told

    def test_a_refusal_has_the_same_code_in_the_log_the_stream_error_and_here(self):
        said = self.refused("mordor.example")
        code = re.search(r"\[(FG-[A-Z]\d\d)\]", said).group(1)
        event = self.gate.wait_event("refused", since=self.mark, **{"from": "mordor.example"})
        self.assertEqual(event["reason"], code)
        told = self.wait_for_decision("shire.example", "mordor.example")
        self.assertEqual(told["code"], code)
        self.assertEqual(told["session"], event["session"])
        self.assertEqual(told["sentence"], event["why"])
        self.assertEqual(told["blame"], event["blame"])
        self.assertEqual(told["address"], event["address"])
        self.assertEqual(told["worker"], event["n"])
        self.assertEqual((told["outcome"], told["direction"]), ("refused", "inbound"))
        self.assertEqual(told["policy"], "trusted")
        self.assertNotIn("trusted", told["would_pass"])
        self.assertEqual(told["would_pass_with_dialback"], ["secure", "verified"])
        bad = [step for step in told["steps"] if step["mark"] == "bad"]
        self.assertIn("certificate", [step["name"] for step in bad])
        self.assertIn("barad-dur.example", json.dumps(bad))

    def test_people_get_the_line_that_decided_and_what_helps(self):
        self.refused("isengard.example")
        self.wait_for_decision("shire.example", "isengard.example")
        text = self.explain("shire.example", "isengard.example")
        self.assertIn("  REFUSED  inbound  isengard.example → shire.example\n", text)
        file = self.gate.dir / "tenants.d" / "shire.example.ini"
        line = file.read_text().splitlines().index("inbound = trusted") + 1
        self.assertIn(f' => policy "trusted" ({file}:{line})\n', text)
        self.assertIn("Who must act: the other side, isengard.example.\n", text)
        self.assertRegex(text, r"\n    Fix: [A-Z].*\.\n")
        self.assertRegex(text, r"\n +\d ✗ bad     certificate +\d+ ms  .*barad-dur\.example")
        for row in text.splitlines():
            self.assertLess(len(row), 200)
            self.assertTrue(row.isprintable(), row)

    def test_an_accepted_peer_and_who_was_accepted_outwards(self):
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(message("king@rohan.example", "frodo@shire.example", "x"))
            told = self.wait_for_decision("shire.example", "rohan.example")
            self.assertEqual((told["outcome"], told["direction"]), ("accepted", "inbound"))
            self.assertEqual((told["level"], told["proof"]), ("trusted", "pkix"))
            self.assertIsNone(told["code"])
        with self.stage.canary.dial("bree.example", "rohan.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            link.send(message("barliman@bree.example", "king@rohan.example", "x"))
            told = self.wait_for_decision("bree.example", "rohan.example")
        self.assertEqual((told["outcome"], told["direction"]), ("accepted", "outbound"))
        self.assertEqual((told["policy"], told["policy_line"]), ("secure", None))
        text = self.explain("bree.example", "rohan.example")
        self.assertIn("ACCEPTED  outbound  bree.example → rohan.example", text)
        self.assertIn("(the default; ", text)
        self.assertNotIn("king@", json.dumps(told) + text)

    def test_domains_of_other_letters_and_further_domains(self):
        self.refused("mürrisch.example", "conference.shire.example")
        for tenant in ("shire.example", "conference.shire.example"):
            told = self.wait_for_decision(tenant, "xn--mrrisch-n2a.example")
            self.assertEqual(told["peer"], "mürrisch.example")
            self.assertEqual(told["tenant"], "conference.shire.example")
        self.assertEqual(self.decisions("bree.example", "mürrisch.example", status=1), [])

    def test_nothing_known_and_not_served_are_told_apart(self):
        self.assertIn("No decision between", self.explain(
            "shire.example", "nobody.example", status=1))
        self.assertIn("is not served here", self.explain(
            "gone.example", "nobody.example", status=1))

    # Workers

    def test_decisions_of_all_workers_are_found_and_outlive_them(self):
        """Each worker keeps its own; a dead one's stay, and its successor goes on behind them."""
        workers = set()
        for count in range(1, 60):
            self.refused("gundabad.example")
            self.wait_for_decision("shire.example", "gundabad.example", count)
            workers.add(self.decisions("shire.example", "gundabad.example", "--last", "1")[0]
                        ["worker"])
            if workers == {0, 1}:
                break
        self.assertEqual(workers, {0, 1})
        before = self.decisions("shire.example", "gundabad.example", "--last", "50")
        self.assertEqual([one["time"] for one in before],
                         sorted((one["time"] for one in before), reverse=True))
        for number in (0, 1):
            mark = self.gate.mark()
            self.gate.kill_worker(number)
            self.gate.wait_event("worker-up", since=mark, n=number)
        self.assertEqual(
            self.decisions("shire.example", "gundabad.example", "--last", "50"), before)
        self.refused("gundabad.example")
        self.wait_for_decision("shire.example", "gundabad.example", len(before) + 1)
        self.assertEqual(
            self.decisions("shire.example", "gundabad.example", "--last", "50")[1:], before)

    def test_a_stopped_worker_keeps_nobody_from_asking(self):
        """The supervisor reads; it does not ask the worker."""
        self.refused("moria.example")
        told = self.wait_for_decision("shire.example", "moria.example")
        pids = self.gate.children().values()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.assertEqual(self.decisions("shire.example", "moria.example"), [told])
            self.assertEqual(self.ask("status")["workers_up"], 2)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    # Reload

    def test_after_a_reload_the_line_is_that_of_now(self):
        self.refused("angmar.example")
        self.wait_for_decision("shire.example", "angmar.example")
        file = self.gate.dir / "tenants.d" / "shire.example.ini"
        text = file.read_text()
        self.addCleanup(self.gate.reload)
        self.addCleanup(file.write_text, text)
        line = text.splitlines().index("inbound = trusted") + 1
        file.write_text("; one more line\n" + text)
        self.assertEqual(self.ask("reload")["outcome"], "fine")
        told = self.decisions("shire.example", "angmar.example")[0]
        self.assertEqual((told["policy_file"], told["policy_line"]), (str(file), line + 1))
        file.write_text(text.replace("inbound = trusted", "inbound = secure"))
        self.assertEqual(self.ask("reload")["outcome"], "fine")
        told = self.decisions("shire.example", "angmar.example")[0]
        self.assertEqual((told["policy"], told["policy_now"]), ("trusted", "secure"))
        self.assertIn('policy "trusted" then; now inbound = secure', self.explain(
            "shire.example", "angmar.example"))

    def test_a_reload_that_is_asked_for_tells_how_it_went(self):
        file = self.gate.dir / "tenants.d" / "bree.example.ini"
        text = file.read_text()
        self.addCleanup(self.gate.reload)
        self.addCleanup(file.write_text, text)
        self.assertFalse(self.ask("status")["degraded"])
        file.write_text(text + "nonsense\n")
        told = self.ask("reload")
        self.assertEqual((told["outcome"], told["tenants"]), ("degraded", 3))
        self.assertGreater(told["faults"], 0)
        self.assertTrue(self.ask("status")["degraded"])
        done = self.gate.command("reload")
        self.assertEqual((done.returncode, done.stdout), (1, "degraded; tenants served: 3\n"))
        self.assertIn("`fedgate check` lists them", done.stderr)
        file.write_text(text)
        done = self.gate.command("reload")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "fine; tenants served: 3\n", ""))
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask("reload")))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([answer["outcome"] for answer in answers], ["fine"] * 8)

    # The socket

    def test_status_tells_how_the_gate_is(self):
        told = self.ask("status")
        self.assertEqual((told["workers"], told["workers_up"], told["tenants"]), (2, 2, 3))
        self.assertEqual(told["config"], str(self.gate.dir / "fedgate.ini"))
        self.assertEqual(told["processes"], told["processes_up"])
        self.assertIn(told["version"], subprocess.run(
            [BINARY, "version"], capture_output=True, text=True, check=True).stdout)

    def test_others_may_not_ask(self):
        """O02."""
        path = self.gate.dir / "admin.sock"
        info = path.stat()
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o660)
        self.assertEqual(info.st_uid, 0)
        for directory in (self.gate.dir, *self.gate.dir.parents[:3]):
            mode = directory.stat().st_mode
            if directory.owner() == "root" and str(directory) not in ("/", "/tmp"):
                os.chmod(directory, mode | 0o755)
        self.assertIn("run this as root", self.explain(
            "shire.example", "mordor.example", status=3, user="daemon"))

    def test_the_socket_goes_with_the_gate_and_a_dead_ones_is_replaced(self):
        path = self.gate.dir / "admin.sock"
        pids = [self.gate.process.pid, *self.gate.children().values()]
        self.gate.kill()
        for _ in range(100):
            if not any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]):
                break
            time.sleep(0.05)
        self.assertTrue(path.is_socket())
        self.assertIn("Connection refused; is the gate running?", self.explain(
            "shire.example", "mordor.example", status=3))
        self.gate.start()
        self.assertTrue(self.ask("status")["ok"])
        self.gate.stop()
        self.assertFalse(path.exists())
        self.assertEqual(self.gate.command("reload").returncode, 3)
        self.assertIn("No such file or directory; is the gate running?", self.explain(
            "shire.example", "mordor.example", status=3))
        self.gate.start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
