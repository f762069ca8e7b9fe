"""What one tenant meets, or does, is no other tenant's business (M-1)."""

import time
import unittest

import common
from script import ScriptedServer, attribute, message
from stage import Stage


class Choosy(ScriptedServer):
    """Believes every domain but one."""

    def _answer_result(self, link, attrs, key):
        self.dialback = "invalid" if attribute(attrs, "from") == "mordor.example" else "valid"
        super()._answer_result(link, attrs, key)


class Isolation(unittest.TestCase):
    def setUp(self):
        self.stage = Stage("isolation", common.BINARY, workers=1)
        self.addCleanup(self.stage.close)

    def test_a_tenant_that_a_peer_refuses_does_not_close_the_way_for_others(self):
        """The breaker remembers for whom the peer was of no use."""
        self.stage.tenant("mordor.example")
        self.stage.tenant("shire.example")
        self.stage.names.peer("rohan.example", self.stage.world.address, starttls=5300)
        remote = self.stage.keep(Choosy(self.stage.world, "rohan.example", port=5300,
                                        identity=self.stage.identity("rohan.example"),
                                        external=False, gate=None))
        self.stage.start()
        for _ in range(3):
            with self.stage.canary.dial("mordor.example", "rohan.example") as link:
                self.assertIn("not-authorized", link.expect_closed(10))
            time.sleep(0.2)
        with self.stage.canary.dial("shire.example", "rohan.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            link.send(message("frodo@shire.example", "a@rohan.example", "x", "through"))
            self.assertIn("through", remote.wait_for(1, 5)[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
