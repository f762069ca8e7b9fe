"""Runs one file of Python unittests and writes the outcome of every test as JSON lines, then `end`.

    python3 -m tests.runner.unittest_child FILE RESULTS
"""

import importlib
import json
import sys
import unittest


class Result(unittest.TextTestResult):
    """Each test, or sub-test that failed, is one line in the file RESULTS."""

    out = None

    def _write(self, test, outcome, why=""):
        print(json.dumps({"test": test.id().split(".", 3)[-1], "outcome": outcome, "why": why}),
              file=self.out, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.stream.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self._write(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._write(test, "bad")

    def addError(self, test, err):
        super().addError(test, err)
        self._write(test, "bad")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._write(subtest, "bad")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._write(test, "skip", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._write(test, "bad", "a test may not expect its own failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._write(test, "bad")


def main():
    path, results = sys.argv[1:]
    with open(results, "w", encoding="utf-8") as out:
        Result.out = out
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
        done = runner.run(suite)
        print(json.dumps({"outcome": "end"}), file=out)
    return 0 if done.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
