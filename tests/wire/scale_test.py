"""Many tenants at once: 1,000 of them, 500 with a peer each, traffic both ways for a minute; every
message once and in order, memory and descriptors steady."""

import json
import time
import unittest

import common
from crowd import Crowd

TENANTS, PAIRS = 1000, 500
PER_SECOND = 3  # messages in each of the 1,000 flows
SECONDS, STEADY_S = 60, 20
GROWTH = 1.05
# A connection has a descriptor of its own: W-IN and B-IN, B-OUT and W-OUT of each pair.
CONNECTIONS = 4 * PAIRS
# With its first question a worker gets a line to the scout; libunbound, there, makes two pairs of
# sockets for its thread.
LINES = 2
RESOLVER_DESCRIPTORS = 4


class Scale(unittest.TestCase):
    def setUp(self):
        self.crowd = Crowd("scale", common.BINARY, TENANTS, PAIRS)
        self.addCleanup(self.crowd.close)
        self.numbers = {}
        self.addCleanup(self.write_down)

    def write_down(self):
        common.LOGS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.numbers, indent=1)
        (common.LOGS / "scale.json").write_text(text + "\n", encoding="utf-8")
        print(text)

    def look(self, when):
        crowd = self.crowd
        pss = crowd.pss_kib()
        self.numbers[when] = {"pss_kib": pss, "pss_sum_kib": sum(pss.values()),
                              "descriptors": crowd.descriptors(), "cpu_s": crowd.cpu_s()}
        return self.numbers[when]

    def test_a_minute_of_traffic_of_500_pairs_among_1000_tenants(self):
        crowd = self.crowd
        crowd.start()
        fresh = self.look("started")
        self.assertEqual(crowd.connect(), [])
        self.look("connected")
        crowd.begin(PER_SECOND)
        time.sleep(STEADY_S)
        early = self.look("at 20 s")
        crowd.latencies()
        time.sleep(SECONDS - STEADY_S)
        late = self.look("at 60 s")
        self.numbers["latency_ms"] = dict(zip(("in", "out"), crowd.latencies()))
        self.check_traffic(*crowd.end())
        if not common.SANITIZED:
            self.assertLessEqual(late["pss_sum_kib"], GROWTH * early["pss_sum_kib"])
        self.assertEqual(late["descriptors"], early["descriptors"])
        self.assertEqual(self.but_the_scout(late["descriptors"]),
                         self.but_the_scout(fresh["descriptors"]) + CONNECTIONS + LINES)
        self.assertLessEqual(late["descriptors"]["scout 0"] - fresh["descriptors"]["scout 0"],
                             RESOLVER_DESCRIPTORS + LINES)
        self.check_closing(fresh)

    @staticmethod
    def but_the_scout(descriptors):
        """Only the scout's sockets come and go by themselves: it asks DNS."""
        return sum(count for name, count in descriptors.items() if name != "scout 0")

    def check_traffic(self, world, backend):
        for report in (world, backend):
            self.assertEqual((report["wrong"], report["lost"], report["failed"]), ([], [], []))
        self.assertEqual(world["sent"], backend["received"])
        self.assertEqual(backend["sent"], world["received"])
        for report in (world, backend):
            self.assertEqual(len(report["sent"]), PAIRS)
            # Half of the wanted rate at least, on whatever machine this is.
            self.assertGreater(min(report["sent"].values()), SECONDS * PER_SECOND / 2)

    def check_closing(self, fresh):
        """Every stream ends with its peer's and its backend's; then no descriptor is left."""
        crowd = self.crowd
        crowd.both("close")
        wanted = self.but_the_scout(fresh["descriptors"]) + LINES
        until = time.monotonic() + 15
        while self.but_the_scout(crowd.descriptors()) != wanted and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(self.but_the_scout(self.look("closed")["descriptors"]), wanted)
        self.assertFalse(crowd.gate.events(level="error"))
        self.assertFalse(crowd.gate.events("refused"))
        self.assertEqual(crowd.gate.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
