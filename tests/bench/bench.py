#!/usr/bin/python3
"""Runs fedgate and its peers in turn and writes build/bench/report.md, report.json, report.svg.

    bench.py FEDGATE LOADGEN DIRECTORY

BENCH_SECONDS: about how long one run of one server takes (0.4); BENCH_ROUNDS: how often everybody
has a turn (5); BENCH_CASES: the beginnings of the names of cases (all).
"""

import datetime
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "lib")]

import cases  # noqa: E402  pylint: disable=wrong-import-position
import rows  # noqa: E402  pylint: disable=wrong-import-position
from field import PAIRS, Failed, Field, pss_kib  # noqa: E402  pylint: disable=wrong-import-position
from lab.net import LabError  # noqa: E402  pylint: disable=wrong-import-position

METHOD = (
    "Cost is processor time (user and system, as the scheduler counts it) of all processes of a "
    "server, of fedgate the supervisor, one worker and the helpers; every server has one thread or "
    "worker and is pinned to processor 0, clients and backends to processor 1. Rounds are "
    "interleaved; medians, with [least..most]; for bulk the best round of each, because figures of "
    "some proxies have two heights. A ratio is the peer's cost divided by fedgate's: more than 1 "
    "means that fedgate needs less. Nobody logs connections.")
WARM_TENANTS = 100


def machine():
    """What this was measured on, and with what."""
    cpu = next((line.split(":")[1].strip() for line in
                pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                if line.startswith("model name")), "unknown processor")
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", "haproxy", "nginx-light", "hitch",
         "prosody", "ejabberd", "libssl3"], capture_output=True, text=True, check=False).stdout
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return (f"{datetime.datetime.utcnow():%Y-%m-%d %H:%M} UTC, fedgate {commit or '(no commit)'}, "
            f"{os.cpu_count()} processors ({cpu}), Linux {platform.release()}; "
            f"{versions.rstrip(', ')}; load {os.getloadavg()[0]:.1f} at the start.")


class Bench:
    """One run."""

    def __init__(self, binary, loadgen, seconds, rounds, names):
        self.binary, self.loadgen = binary, loadgen
        self.seconds, self.rounds, self.names = seconds, rounds, names
        self.failed, self.rows, self.growth = [], [], []

    def say(self, text):
        print(text, flush=True)

    def run(self):
        report = {"machine": machine(), "method": METHOD, "rounds": self.rounds,
                  "seconds": self.seconds}
        chosen = [case for case in cases.CASES if case.name in self.names]
        with Field(self.binary, self.loadgen) as field:
            wanted = {peer for case in chosen for peer in case.peers}
            servers = {**field.proxies(wanted), **field.xmpp_servers(wanted)}
            self.failed += [f"{name} is not installed" for name in sorted(wanted - set(servers))]
            if chosen:
                servers["fedgate"] = field.fedgate(10)
            for case in chosen:
                self.measure(field, case, servers)
            if chosen:
                servers["fedgate"].stop()
            self.grow(field)
        return {**report, "peers": sorted({p for c in chosen for p in c.peers},
                                          key=(cases.PROXIES + cases.RECEIVERS).index),
                "rows": self.rows, "growth": self.growth, "failed": self.failed}

    def measure(self, field, case, servers):
        samples = {name: [] for name in ("fedgate", *case.peers) if name in servers}
        for _ in range(self.rounds if case.job != "idle" else 1):
            for name in samples:
                try:
                    samples[name].append(self.once(field, case, servers, name))
                except (Failed, LabError, subprocess.TimeoutExpired) as error:
                    self.failed.append(f"{case.name}, {name}: {error}")
        row = {**rows.row_of(case, samples), "allowed": list(case.peers)}
        self.rows.append(row)
        told = ", ".join(f"{name} {rows.quoted(found, case.quote):.4g}"
                         for name, found in samples.items() if found)
        ratio = row["ratio_to_best"]
        self.say(f"{case.name}: {told} {case.unit}"
                 + (f"; {ratio:.2f} of {row['best']}" if ratio else ""))

    def once(self, field, case, servers, name):
        server, options = servers[name], dict(case.options)
        if case.job == "idle":
            external = int(server.target == "gate")
            found, servers[name] = field.idle(server, external=external, **options)
            return found
        if server.target != "proxy" and case.job in ("roundtrip", "up"):
            options.update(external=1, identity=options.get("identity", "one-ca"))
            options.setdefault("starttls", int(server.target == "server"))
        count = max(int(case.rate * self.seconds), 2 * options["at_once"])
        return self.cost(field, server, case.job, count=count, **options)

    @staticmethod
    def cost(field, server, job, **options):
        result = field.load(server, job, **options)
        return result["cpu_s"] / result["done"] * 1e6

    # fedgate against itself

    def grow(self, field):
        for name, function in (("tenants", self.grow_tenants), ("pairs", self.grow_pairs)):
            if name in self.names:
                try:
                    function(field)
                except (Failed, LabError, subprocess.TimeoutExpired) as error:
                    self.failed.append(f"{name}: {error}")

    def grow_tenants(self, field):
        """The least comes first and once more at the end: so a machine that drifts is seen."""
        first = cases.TENANT_COUNTS[0]
        cost, start, memory = {}, {}, {}
        for count in (*cases.TENANT_COUNTS, first):
            label = f"{count:,}"
            server, seconds = self.started(field, count)
            start.setdefault(label, []).append(seconds)
            job = {"at_once": 16, "identity": "one-ca", "external": 1, "pairs": WARM_TENANTS,
                   "stride": max(count // WARM_TENANTS, 1)}
            self.cost(field, server, "handshake", count=2 * WARM_TENANTS, **job)
            number = max(int(700 * self.seconds), 2 * WARM_TENANTS)
            cost.setdefault(label, []).extend(
                self.cost(field, server, "handshake", count=number, **job)
                for _ in range(self.rounds))
            time.sleep(1)
            memory.setdefault(label, []).append(pss_kib(server.pids()))
            server.stop()
        most = f"{cases.TENANT_COUNTS[-1]:,}"
        least = statistics.median(memory[f"{first:,}"])
        each = (memory[most][0] - least) / (cases.TENANT_COUNTS[-1] - first)
        self.add_growth("tenants-handshake", "mutual handshake on warm tenants", "us", cost,
                        [(most, "growth", 1.05)])
        self.add_growth("tenants-start", "from the start to the first answer", "s", start,
                        [(most, "value", 2.0)])
        self.add_growth("tenants-memory", "PSS of all processes", "KiB", memory)
        self.add_growth("tenants-each", "PSS of one more tenant", "KiB", {most: [each]},
                        [(most, "value", 1.0)])

    def started(self, field, count):
        """Fresh, and how long it took until a stream was answered: the port alone is open before
        a worker has read its tenants. The files have been read before."""
        field.fedgate(count).stop()
        began = time.monotonic()
        server = field.fedgate(count)
        self.cost(field, server, "handshake", count=1)
        return server, time.monotonic() - began

    def grow_pairs(self, field):
        server, cost = field.fedgate(10), {}
        for _ in range(self.rounds):
            for pairs in cases.PAIR_COUNTS:
                number = max(int(10000 * self.seconds), 10 * pairs)
                cost.setdefault(f"{pairs:,}", []).append(
                    self.cost(field, server, "roundtrip", count=number, at_once=min(pairs, PAIRS),
                              size=500, external=1, identity="one-ca"))
        server.stop()
        self.add_growth("pairs-round", "round trip of 500 B, so many pairs at once", "us", cost)

    def add_growth(self, *words):
        row = rows.growth_row(*words)
        self.growth.append(row)
        self.say(f"{row['case']}: " + ", ".join(f"{label} {value:.4g}" for label, value in
                                                row["values"].items()) + f" {row['unit']}")


def main():
    binary, loadgen, directory = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        names = cases.chosen(os.environ.get("BENCH_CASES", ""))
    except ValueError as error:
        sys.exit(f"bench: {error}")
    bench = Bench(binary, loadgen, float(os.environ.get("BENCH_SECONDS", "0.4")),
                  int(os.environ.get("BENCH_ROUNDS", "5")),
                  names)
    try:
        report = bench.run()
    except LabError as error:
        sys.exit(f"bench: {error}")
    rows.write(report, pathlib.Path(directory))
    for text in report["failed"]:
        print(f"bench: failed: {text}", file=sys.stderr)
    print(f"bench: {directory}/report.md, report.json, report.svg")
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
