#!/usr/bin/python3
"""Runs the tests, one step after the other, and says what failed.

    tests/run.py                 every step of `make test`
    tests/run.py --all           also those of `make test-all`
    tests/run.py --only a,b      these steps
    tests/run.py --list          names them

Each step writes its log to build/test/. A failure does not stop the steps that can still run.
The last line is `tests: N passed, N failed`; the exit status is 0 only when something passed and
nothing failed.
"""

import argparse
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from runner import steps  # noqa: E402
from runner.report import Report  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description="runs fedgate's tests")
    parser.add_argument("--all", action="store_true", help="also the steps of make test-all")
    parser.add_argument("--only", default="", metavar="STEP,...", help="run these steps alone")
    parser.add_argument("--list", action="store_true", help="name the steps and end")
    return parser.parse_args()


def chosen(args):
    """The steps to run, in their order; unknown names end the program."""
    wanted = [name for name in args.only.split(",") if name]
    known = {step.name for step in steps.STEPS}
    for name in wanted:
        if name not in known:
            sys.exit(f"tests/run.py: there is no step `{name}`; --list names them")
    if wanted:
        return [step for step in steps.STEPS if step.name in wanted]
    return [step for step in steps.STEPS if args.all or not step.only_in_all]


def need_root(todo):
    """Hosts of the lab are network namespaces: without root nothing of it can be shown."""
    root = [step.name for step in todo if step.root]
    if root and os.geteuid() != 0 and not steps.SUDO:
        sys.exit(f"tests/run.py: {', '.join(root)} need root (network namespaces), and there is no "
                 "sudo; run as root, or choose other steps with --only")


def main():
    os.chdir(ROOT)
    sys.stdout.reconfigure(line_buffering=True)
    args = arguments()
    if args.list:
        for step in steps.STEPS:
            print(f"{step.name:14} {step.sentence}{' (make test-all)' if step.only_in_all else ''}")
        return 0
    todo = chosen(args)
    need_root(todo)
    report = Report(ROOT / "build/test", len(todo))
    started = time.monotonic()
    for step in todo:
        report.run(step)
    return report.close(time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
