"""What the runner prints: progress, a time per step, the failures with the tail of their log."""

import shutil
import threading
import time

TAIL_LINES = 25


class Report:
    """Counts tests over all steps. A step gets it as its second argument and calls ok(), bad() and
    skip(), each with the name of one test; threads may do so side by side."""

    def __init__(self, directory, steps):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.directory = directory
        self.steps, self.number = steps, 0
        self.passed, self.failed, self.skipped = 0, [], []
        self.broken = set()  # steps that failed: what needs them does not run
        self.step = None
        self._lock = threading.Lock()

    def log(self, name):
        """The path of a new log of this step."""
        stem = self.step.name if name == self.step.name else f"{self.step.name}-{name}"
        return self.directory / f"{stem.replace('/', '-')}.log"

    def ok(self, _name):
        with self._lock:
            self.passed += 1

    def bad(self, name, log=None, text=""):
        """log: its tail is shown at the end; text: shown instead."""
        self.failed.append((self.step.name, name, log, text))
        self.broken.add(self.step.name)
        print(f"        failed: {name}")

    def skip(self, name, why):
        self.skipped.append((self.step.name, name, why))

    def run(self, step):
        self.number += 1
        self.step = step
        before = self.passed, len(self.failed), len(self.skipped)
        print(f"[{self.number:2}/{self.steps}] {step.name}: {step.sentence}")
        missing = [name for name in step.needs if name in self.broken]
        started = time.monotonic()
        if missing:
            self.bad(step.name, text=f"not run, because {', '.join(missing)} failed")
        else:
            self._guarded(step)
        passed, failed = self.passed - before[0], len(self.failed) - before[1]
        if passed + failed == 0:
            self.bad(step.name, text="this step found nothing to run")
            failed = 1
        skipped = len(self.skipped) - before[2]
        print(f"        {passed} passed, {failed} failed"
              f"{f', {skipped} not run' if skipped else ''}, {time.monotonic() - started:.1f} s")

    def _guarded(self, step):
        try:
            step.run(step, self)
        except OSError as error:
            self.bad(step.name, text=f"cannot run: {error}")

    def close(self, seconds):
        for step, name, why in self.skipped:
            print(f"not run: {step}: {name}: {why}")
        for step, name, log, text in self.failed:
            print(f"\n==== failed: {step}: {name}")
            print(text or tail(log))
        print(f"\nlogs are in {self.directory}; {seconds:.0f} s in all")
        print(f"tests: {self.passed} passed, {len(self.failed)} failed")
        return 0 if self.passed and not self.failed else 1


def tail(log):
    if not log or not log.exists():
        return "(no log)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    more = f"... {len(lines) - TAIL_LINES} lines before, in {log}\n" * (len(lines) > TAIL_LINES)
    return more + "\n".join(lines[-TAIL_LINES:])
