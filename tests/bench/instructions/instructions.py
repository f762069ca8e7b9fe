#!/usr/bin/python3
"""Counts the instructions of the hot paths with callgrind and holds them against figures.tsv.

    instructions.py PATHS [--write]     PATHS: build/bench/paths; --write: makes the figures

More than the tolerance above its figure is a regression, and the exit status is 1. Less than the
tolerance below it is one that nobody will see later: then the figures are to be written anew.
Times depend on the machine and on who else is on it, instructions nearly not at all: the figures
are those of Debian 12's gcc with the Makefile's own flags, on x86-64 with AVX2 (valgrind knows no
later vectors, and the C library chooses its memchr by what there is).
"""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIGURES = HERE / "figures.tsv"
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)

# What is counted (compilers add to the names of clones), how often it is done in one run, and the
# tolerance in percent: keys are random, and a handshake's work depends on them a little.
PATHS = {
    "scan": ("measured_scan*", 400, 0.5),
    "judge": ("measured_judge*", 400, 0.5),
    "record": ("measured_record*", 200, 1.0),
    "handshake": ("tls_input", 20, 1.0),
    "route": ("measured_route*", 400, 1.0),
}
SENTENCES = {
    "scan": "a stanza cut out of a stream, in steady state",
    "judge": "a stanza's addresses judged, its start tag repaired",
    "record": "a record of 500 B opened, and one sealed",
    "handshake": "TLS 1.3, the server's side, with both certificates, P-256 and X25519",
    "route": "a stanza pushed into a route and written to the backend",
}
HEAD = "# Instructions of each path, by callgrind; instructions.py --write makes this file.\n"


def count(program, path):
    """Instructions of one time."""
    function, times, _ = PATHS[path]
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory, "out")
        done = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
             f"--toggle-collect={function}", program, path], capture_output=True, text=True,
            timeout=300, check=False)
        if done.returncode != 0:
            sys.exit(f"instructions: {path} ended with {done.returncode}:\n{done.stdout}"
                     f"{done.stderr}")
        totals = TOTAL.findall(out.read_text(encoding="ascii", errors="replace"))
    total = max(map(int, totals), default=0)
    if not total:
        sys.exit(f"instructions: {path}: callgrind has counted nothing")
    return round(total / times)


def read_figures():
    figures = {}
    for line in FIGURES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            path, figure, _ = line.split("\t", 2)
            figures[path] = int(figure)
    return figures


def verdict(path, found, figure):
    """A word, and whether it is fine."""
    if figure is None:
        return "has no figure: --write it", False
    change = 100.0 * (found - figure) / figure
    if change > PATHS[path][2]:
        return f"{change:+.1f} %: a regression", False
    if change < -PATHS[path][2]:
        return f"{change:+.1f} %: better; --write it, or it will be lost unseen", True
    return f"{change:+.1f} %", True


def main():
    program, *words = sys.argv[1:]
    found = {path: count(program, path) for path in PATHS}
    if words == ["--write"]:
        FIGURES.write_text(HEAD + "".join(f"{path}\t{found[path]}\t{SENTENCES[path]}\n"
                                          for path in PATHS), encoding="utf-8")
    figures, good = read_figures(), True
    for path in PATHS:
        said, fine = verdict(path, found[path], figures.get(path))
        good = good and fine
        print(f"{path}: {found[path]:,} instructions, {said}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
