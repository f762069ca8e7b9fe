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
# libunbound makes two pairs of sockets for its thread when it is first asked.
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
        self.assertEqual(sum(late["descriptors"].values()) - sum(fresh["descriptors"].values()),
                         CONNECTIONS + 2 * RESOLVER_DESCRIPTORS)
        self.check_closing(fresh)

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
        allowed = {name: count + (RESOLVER_DESCRIPTORS if "worker" in name else 0)
                   for name, count in fresh["descriptors"].items()}
        until = time.monotonic() + 15
        while crowd.descriptors() != allowed and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(self.look("closed")["descriptors"], allowed)
        self.assertFalse(crowd.gate.events(level="error"))
        self.assertFalse(crowd.gate.events("refused"))
        self.assertEqual(crowd.gate.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
