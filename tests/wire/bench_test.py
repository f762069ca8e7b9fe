"""One tiny round of `make bench`, with fedgate alone, so that it cannot rot."""

import pathlib
import sys
import unittest

import common

sys.path.insert(0, str(common.TESTS / "bench"))
import cases  # noqa: E402  pylint: disable=wrong-import-position
import rows  # noqa: E402  pylint: disable=wrong-import-position
from bench import Bench  # noqa: E402  pylint: disable=wrong-import-position
from field import Field  # noqa: E402  pylint: disable=wrong-import-position

LOADGEN = pathlib.Path(common.ROOT / "build/bench/loadgen")
SECONDS = 0.002
CHOSEN = "full-13 mutual-p384 rsa round-500 bulk idle-1000 opening relay"


class Smoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.field = Field(common.BINARY, LOADGEN, "bench-smoke", pairs=20)
        cls.addClassCleanup(cls.field.close)
        cls.servers = {"fedgate": cls.field.fedgate(10)}

    def test_every_job_is_done_by_fedgate(self):
        bench = Bench(common.BINARY, LOADGEN, SECONDS, 1, cases.NAMES)
        bench.say = lambda text: None
        names = cases.chosen(CHOSEN)
        for case in [case for case in cases.CASES if case.name in names]:
            with self.subTest(case=case.name):
                if case.job == "idle":
                    case.options["count"] = 100
                bench.measure(self.field, case, self.servers)
                self.assertEqual(bench.failed, [])
                self.assertGreater(bench.rows[-1]["ours"], 0)
        self.assertIn("bulk-down", rows.markdown(
            {"machine": "", "method": "", "peers": [], "rows": bench.rows, "growth": [],
             "failed": []}))


if __name__ == "__main__":
    unittest.main(verbosity=2)
