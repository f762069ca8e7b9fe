"""The steps of the test run: a table, and the few ways to run one."""

import concurrent.futures
import dataclasses
import glob
import json
import os
import re
import shutil
import sys
import typing

from .run_process import run

SAN = "-fsanitize=address,undefined -fno-sanitize-recover=all"
JOBS = "-j2"
_HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUDO = shutil.which("sudo")
SANITIZER_ENV = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


@dataclasses.dataclass
class Step:
    """One row: what it is called, what it shows, and how it runs."""

    name: str
    sentence: str
    run: typing.Callable
    args: tuple = ()
    limit_s: int = 600  # for each process of the step
    needs: tuple = ()  # steps whose failure makes this one pointless
    env: dict = dataclasses.field(default_factory=dict)
    root: bool = False
    only_in_all: bool = False
    lanes: int = 1  # how many of the step's processes run side by side
    alone: tuple = ()  # those that measure: they run when the others have ended


def command(step, report):
    """One process, one test."""
    log = report.log(step.name)
    if run(list(step.args), log, step.limit_s, step.env) == 0:
        report.ok(step.name)
    else:
        report.bad(step.name, log)


def build(step, report):
    """make tests-built with further variables: the directory, the compiler, sanitizers."""
    log = report.log(step.name)
    argv = ["make", JOBS, "--no-print-directory", *step.args, "tests-built"]
    if run(argv, log, step.limit_s) == 0:
        report.ok(step.name)
    else:
        report.bad(step.name, log)


CMOCKA_LINE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\w+)$", re.MULTILINE)


def in_lanes(step, report, each, paths):
    """Calls each(step, report, path) for all: most of them side by side, the rest one by one."""
    paths = sorted(paths)
    alone = [path for path in paths if _stem(path) in step.alone]
    with concurrent.futures.ThreadPoolExecutor(step.lanes) as pool:
        jobs = [pool.submit(each, step, report, path) for path in paths if path not in alone]
    for job in jobs:
        job.result()
    for path in alone:
        each(step, report, path)


def _stem(path):
    return os.path.basename(path).removesuffix(".py")


def cmocka(step, report):
    """Every unit test binary below a directory."""
    in_lanes(step, report, cmocka_binary, glob.glob(f"{step.args[0]}/*_test"))


def cmocka_binary(step, report, binary):
    name = os.path.basename(binary)
    log = report.log(name)
    status = run([binary], log, step.limit_s, step.env)
    # cmocka names a failed test a second time in its closing list.
    outcome = {}
    for word, test in CMOCKA_LINE.findall(log.read_text(encoding="utf-8", errors="replace")):
        outcome[test] = word
    for test, word in outcome.items():
        if word == "OK":
            report.ok(test)
        elif word == "SKIPPED":
            report.skip(f"{name}::{test}", "it says that it has no meaning in this build")
        else:
            report.bad(f"{name}::{test}", log)
    if status != 0 and "FAILED" not in outcome.values():
        report.bad(f"{name}: ended with status {status}", log)
    elif not outcome:
        report.bad(f"{name}: holds no test", log)


def unittests(step, report):
    """Every file of Python unittests that the patterns name, each in a process of its own."""
    in_lanes(step, report, unittest_file,
             {path for pattern in step.args for path in glob.glob(pattern)})


def unittest_file(step, report, path):
    name = _stem(path)
    log, results = report.log(name), report.directory / f"{step.name}-{name}.results"
    argv = [sys.executable, "-B", "-m", "tests.runner.unittest_child", path, str(results)]
    # Tests say `from lab.net import Net`, and import their neighbours.
    env = {"PYTHONPATH": f"{_HERE}/tests:{os.path.dirname(os.path.abspath(path))}", **step.env}
    if step.root and os.geteuid() != 0:
        argv = [SUDO, *[f"{k}={v}" for k, v in env.items()], *argv]
    status = run(argv, log, step.limit_s, env)
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    tests = [json.loads(line) for line in lines]
    finished = bool(tests) and tests[-1] == {"outcome": "end"}
    tests = [test for test in tests if "test" in test]
    for test in tests:
        if test["outcome"] == "ok":
            report.ok(test["test"])
        elif test["outcome"] == "skip":
            report.skip(f"{name}::{test['test']}", test["why"])
        else:
            report.bad(f"{name}::{test['test']}", log)
    if not tests:
        report.bad(f"{name}: holds no test", log)
    elif not finished:
        report.bad(f"{name}: ended with status {status} before all its tests had run", log)
    elif status != 0 and all(test["outcome"] != "bad" for test in tests):
        report.bad(f"{name}: ended with status {status}", log)


WIRE = "tests/wire/*_test.py"
# They hold times, rates or memory against bounds.
WIRE_ALONE = ("budget_test", "isolation_test", "limits_test", "reload_test", "scale_test")
UNIT_ALONE = ("scan_cost_test", "timers_test")
ASAN_GATE = {"FEDGATE": "build-asan/fedgate", **SANITIZER_ENV}

_ALL = [
    Step("gcc", "gcc builds everything, warnings are errors", build, ("CC=gcc",)),
    Step("clang", "clang builds everything, warnings are errors", build,
         ("CC=clang", "B=build-clang")),
    Step("unit", "the pure layers, linked without any socket library", cmocka, ("build/unit",),
         needs=("gcc",), lanes=2, alone=UNIT_ALONE),
    Step("unit-net", "the layers with sockets", cmocka, ("build/unit-net",), needs=("gcc",),
         lanes=3, alone=UNIT_ALONE),
    Step("asan", "gcc builds everything with ASan and UBSan", build,
         ("CC=gcc", "B=build-asan", f"SAN={SAN}")),
    Step("asan-unit", "the pure layers under ASan and UBSan", cmocka, ("build-asan/unit",),
         needs=("asan",), env=SANITIZER_ENV, lanes=2, alone=UNIT_ALONE),
    Step("asan-unit-net", "the layers with sockets under ASan and UBSan", cmocka,
         ("build-asan/unit-net",), needs=("asan",), env=SANITIZER_ENV, lanes=3, alone=UNIT_ALONE),
    Step("layers", "every #include is allowed by the table of proxy/README.md", command,
         ("tests/layers.sh",)),
    Step("format", "every C file is as clang-format 14 would write it", command,
         ("make", "--no-print-directory", "check-format")),
    Step("style", "banned functions, markers, sizes", command, ("tests/style.py",)),
    Step("lint", "cppcheck and clang-tidy on a chosen set", command, ("tests/lint.sh",)),
    Step("rules", "every rule has its test, or the reason why not", command,
         ("tests/rules.py",)),
    Step("generated", "what is generated from the tables is up to date", command,
         ("tests/generated.sh",), needs=("gcc",)),
    Step("house", "the runner, the installation, the unit, the documents", unittests,
         ("tests/house/*_test.py",), needs=("gcc",)),
    Step("fuzz", "the fuzzers, a minute in all", command,
         ("make", JOBS, "--no-print-directory", "fuzz", "FUZZ_SECONDS=60"), limit_s=900),
    Step("wire", "the whole binary among real servers", unittests, (WIRE,), limit_s=1800,
         needs=("gcc",), root=True, lanes=3, alone=WIRE_ALONE),
    Step("asan-wire", "the same once under ASan and UBSan", unittests,
         ("tests/wire/matrix_test.py", "tests/wire/spoof_test.py"), limit_s=1800,
         needs=("asan",), env=ASAN_GATE, root=True),
    Step("clang-unit", "the pure layers, built by clang", cmocka, ("build-clang/unit",),
         needs=("clang",), only_in_all=True),
    Step("clang-asan", "clang builds everything with ASan and UBSan", build,
         ("CC=clang", "B=build-clang-asan", f"SAN={SAN}"), only_in_all=True),
    Step("clang-asan-unit", "the pure layers, built by clang with sanitizers", cmocka,
         ("build-clang-asan/unit",), needs=("clang-asan",), env=SANITIZER_ENV, only_in_all=True),
    Step("asan-wire-all", "all of the wire tests under ASan and UBSan", unittests, (WIRE,),
         limit_s=3600, needs=("asan",), env=ASAN_GATE, root=True, only_in_all=True),
    Step("evil", "what evil web servers and zones do to the others", unittests,
         ("tests/wire/evil_heavy.py",), needs=("gcc",), root=True, only_in_all=True),
    Step("backports", "real servers again, the backends those of bookworm-backports", unittests,
         ("tests/wire/matrix_test.py", "tests/wire/faults_real_test.py",
          "tests/wire/dane_real_test.py", "tests/wire/dane_backports.py"), limit_s=3600,
         needs=("gcc",), env={"LAB_BACKENDS_ROOT": f"{_HERE}/build/deps/backports-root"},
         root=True, only_in_all=True),
]

# A step whose files are not in the tree yet is left out; one that finds nothing in them fails.
_NEEDS = {"unit-net": "tests/unit-net", "asan-unit-net": "tests/unit-net", "wire": "tests/wire",
          "fuzz": "tests/fuzz", "asan-wire": "tests/wire", "asan-wire-all": "tests/wire",
          "backports": "tests/wire", "evil": "tests/wire", "generated": "tenants/reference.md",
          "house": "tests/house"}
STEPS = [s for s in _ALL if os.path.exists(os.path.join(_HERE, _NEEDS.get(s.name, ".")))]
