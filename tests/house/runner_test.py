"""The runner and .ci/run count honestly: nothing that fails, hangs or never ran looks like success."""

import contextlib
import io
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import time
import unittest

from tests.runner import report, steps

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSES = "[       OK ] good_one\\n"
FAILS = ("[  FAILED  ] bad_one\\n[  FAILED  ] 1 test(s), listed below:\\n[  FAILED  ] bad_one\\n"
         " 1 FAILED TEST(S)\\n")


class Runner(unittest.TestCase):
    """Steps of our own making through the real Report."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="runner-", dir=ROOT / "build"))
        self.addCleanup(shutil.rmtree, self.home)
        self.report = report.Report(self.home / "logs", 2)

    def run_steps(self, *todo):
        """Gives passed, failed, the exit status, and all that was printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            for step in todo:
                self.report.run(step)
            status = self.report.close(1)
        counts = re.fullmatch(r"tests: (\d+) passed, (\d+) failed", said.getvalue().split("\n")[-2])
        self.assertIsNotNone(counts, said.getvalue())
        return int(counts[1]), int(counts[2]), status, said.getvalue()

    def script(self, name, text):
        path = self.home / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def command(self, text, **more):
        path = self.script("command.sh", text)
        return steps.Step("it", "runs", steps.command, (str(path),), **more)

    def test_a_command_is_one_test(self):
        self.assertEqual(self.run_steps(self.command("exit 0"))[:3], (1, 0, 0))

    def test_a_failing_command_shows_the_end_of_its_log(self):
        passed, failed, status, said = self.run_steps(self.command("echo what happened; exit 3"))
        self.assertEqual((passed, failed, status), (0, 1, 1))
        self.assertIn("what happened", said)

    def test_a_command_that_hangs_is_ended_and_fails(self):
        self.assertEqual(self.run_steps(self.command("sleep 60", limit_s=1))[:3], (0, 1, 1))

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.run_steps()[2], 1)
        empty = steps.Step("it", "runs", steps.cmocka, (str(self.home / "none"),))
        self.assertEqual(self.run_steps(empty)[:3], (0, 1, 1))

    def test_what_needs_a_failed_step_fails_without_running(self):
        broken = steps.Step("first", "breaks", steps.command, (str(self.script("a", "exit 1")),))
        trace = self.home / "ran"
        after = self.command(f"touch {trace}", needs=("first",))
        self.assertEqual(self.run_steps(broken, after)[:3], (0, 2, 1))
        self.assertFalse(trace.exists())

    def cmocka(self, text):
        self.script("some_test", text)
        return self.run_steps(steps.Step("it", "runs", steps.cmocka, (str(self.home),)))[:3]

    def test_cmocka_tests_are_counted_one_by_one(self):
        rows = [("both pass", f"printf '{PASSES}{PASSES.replace('good', 'other')}'", (2, 0, 0)),
                ("one fails, named twice", f"printf '{PASSES}{FAILS}'; exit 1", (1, 1, 1)),
                ("it crashes on the way", f"printf '{PASSES}'; kill -SEGV $$", (1, 1, 1)),
                ("it says nothing", "exit 0", (0, 1, 1)),
                ("a failure with status 0", f"printf '{FAILS}'", (0, 1, 1)),
                ("nothing but a test that is skipped", "printf '[  SKIPPED ] one\\n'", (0, 1, 1)),
                ("and one beside it", f"printf '{PASSES}[  SKIPPED ] one\\n'", (1, 0, 0))]
        for name, text, expected in rows:
            with self.subTest(name):
                self.report = report.Report(self.home / "logs", 1)
                self.assertEqual(self.cmocka(text), expected)

    def test_binaries_side_by_side_are_all_counted_and_those_that_measure_run_alone(self):
        for number in range(4):
            self.script(f"wait{number}_test", f"sleep 0.3; printf '{PASSES}'")
        self.script("measure_test", f"pgrep -f {self.home}/wait && exit 1; printf '{PASSES}'")
        started = time.monotonic()
        step = steps.Step("it", "runs", steps.cmocka, (str(self.home),), lanes=4,
                          alone=("measure_test",))
        self.assertEqual(self.run_steps(step)[:3], (5, 0, 0))
        self.assertLess(time.monotonic() - started, 1.0)

    def unittests(self, body):
        (self.home / "some_test.py").write_text(
            f"import os, unittest\nclass Case(unittest.TestCase):\n{body}")
        pattern = str((self.home / "*_test.py").relative_to(ROOT))
        return self.run_steps(steps.Step("it", "runs", steps.unittests, (pattern,)))

    def test_python_tests_are_counted_one_by_one(self):
        ok = "    def test_good(self):\n        pass\n"
        rows = [("passes", ok, (1, 0, 0)),
                ("fails", ok + "    def test_bad(self):\n        self.fail()\n", (1, 1, 1)),
                ("errors", "    def test_bad(self):\n        raise OSError\n", (0, 1, 1)),
                ("set-up breaks", ok + "    @classmethod\n    def setUpClass(cls):\n"
                 "        raise OSError\n", (0, 1, 1)),
                ("dies", ok + "    def test_z(self):\n        os._exit(0)\n", (1, 1, 1)),
                ("sub-tests fail", "    def test_bad(self):\n        for i in 1, 2:\n"
                 "            with self.subTest(i): self.fail()\n", (0, 2, 1)),
                ("expects to fail", "    @unittest.expectedFailure\n    def test_bad(self):\n"
                 "        self.fail()\n", (0, 1, 1)),
                ("has no test", "    pass\n", (0, 1, 1)),
                ("cannot be read", ")", (0, 1, 1))]
        for name, body, expected in rows:
            with self.subTest(name):
                self.report = report.Report(self.home / "logs", 1)
                passed, failed, status, _ = self.unittests(body)
                self.assertEqual((passed, failed, status), expected)

    def test_a_skipped_test_is_named_with_its_reason(self):
        passed, failed, status, said = self.unittests(
            "    def test_good(self):\n        pass\n"
            "    @unittest.skip('the server cannot')\n    def test_other(self):\n        pass\n")
        self.assertEqual((passed, failed, status), (1, 0, 0))
        self.assertIn("test_other: the server cannot", said)


class Ci(unittest.TestCase):
    """.ci/run with a make of ours in front of the real one."""

    def ci(self, make):
        with tempfile.TemporaryDirectory() as home:
            fake = pathlib.Path(home) / "make"
            fake.write_text("#!/bin/sh\n" + make)
            fake.chmod(0o755)
            done = subprocess.run([ROOT / ".ci/run"], capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL,
                                  env={**os.environ, "PATH": f"{home}:{os.environ['PATH']}"})
        return done.returncode, done.stdout.splitlines()[-1]

    def test_it_ends_with_the_count_and_the_right_status(self):
        rows = [("fine", "echo 'tests: 3 passed, 0 failed'", True, "tests: 3 passed, 0 failed"),
                ("one failed", "echo 'tests: 3 passed, 1 failed'; exit 2", False,
                 "tests: 3 passed, 1 failed"),
                ("one failed, make says fine", "echo 'tests: 3 passed, 1 failed'", False,
                 "tests: 3 passed, 1 failed"),
                ("none ran", "echo 'tests: 0 passed, 0 failed'", False,
                 "tests: 0 passed, 0 failed"),
                ("make dies", "echo oh; exit 2", False, "tests: 0 passed, 1 failed"),
                ("make says nothing", "exit 0", False, "tests: 0 passed, 1 failed")]
        for name, make, fine, last in rows:
            with self.subTest(name):
                status, line = self.ci(make)
                self.assertEqual((status == 0, line), (fine, last))


if __name__ == "__main__":
    unittest.main()
