"""What tests of `fedgate probe` share: a stage with records that are taken away and put back."""

import contextlib
import json


class Probing:
    """For a TestCase whose class has a `stage`, and a `web` where documents stand."""

    def probe(self, domain, *words, status=None):
        done = self.stage.gate.command("probe", domain, "--json", *words)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if "problem" in {one["weight"] for one in
                                                             found["findings"]} else 0)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return found

    def findings(self, domain, *words):
        """Id and sentence of everything that is not well."""
        return [(one["id"], one["sentence"]) for one in self.probe(domain, *words)["findings"]
                if one["weight"] != "good"]

    def check_found(self, domain, expected, *words):
        """Exactly these ids, each with its text in the sentence."""
        found = self.findings(domain, *words)
        self.assertEqual([one for one, _ in found], [one for one, _ in expected], found)
        for (_, sentence), (_, text) in zip(found, expected):
            self.assertIn(text, sentence)

    def check_green(self, domain, by, *words):
        found = self.probe(domain, *words, status=0)
        self.assertEqual([(one["id"], one["sentence"]) for one in found["findings"]
                          if one["id"] != "ON-21"], [])
        self.assertEqual([one["id"] for one in found["findings"]], ["ON-21"])
        self.assertEqual(found["levels"]["trusted"], {"reached": True, "by": by})

    @contextlib.contextmanager
    def records(self, *changed):
        """(name, type, values): in the zone for the time being."""
        names = self.stage.names
        before = [(name, kind, names.records.get((name.rstrip(".") + ".", kind), []))
                  for name, kind, _ in changed]
        for name, kind, values in changed:
            names.set(name, kind, *values)
        names.commit()
        try:
            yield
        finally:
            for name, kind, values in before:
                names.set(name, kind, *values)
            names.commit()
