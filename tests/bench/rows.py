"""From samples to rows, and from rows to report.json, report.md and report.svg.

A sample is what one unit costs (microseconds of processor time, KiB); a ratio says how many times
as much a peer's unit costs as ours, so more than one means that we are ahead.
"""

import html
import json
import math
import statistics

BAR, LEFT, TOP, WIDTH = 22, 330, 48, 420
LOW, HIGH = 0.125, 16.0


def quoted(samples, quote):
    return min(samples) if quote == "best" else statistics.median(samples)


def row_of(case, samples):
    """One row; `samples` maps "fedgate" and the peers to what was measured in each round."""
    values = {name: quoted(found, case.quote) for name, found in samples.items() if found}
    ours = values.pop("fedgate", None)
    ratios = {name: value / ours for name, value in values.items()} if ours else {}
    best = min(values, key=values.get) if values else None
    goals = [{"against": against, "wanted": wanted, "found": ratios.get(best if against == "best"
                                                                       else against)}
             for against, wanted in case.goals.items()]
    for goal in goals:
        goal["met"] = goal["found"] is not None and goal["found"] >= goal["wanted"]
    return {"case": case.name, "title": case.title, "unit": case.unit, "quote": case.quote,
            "contains": case.contains, "ours": ours, "peers": values, "best": best,
            "ratios": ratios, "ratio_to_best": ratios.get(best), "goals": goals,
            "spread": {name: [min(found), max(found)] for name, found in samples.items() if found},
            "rounds": max(map(len, samples.values()), default=0)}


def growth_row(name, title, unit, samples, goals=()):
    """Fedgate against itself: the first of `samples` is what the others are compared to. A goal is
    (label, "value" or "growth", the most that it may be)."""
    values = {label: statistics.median(found) for label, found in samples.items() if found}
    first = next(iter(values.values()), None)
    growth = {label: value / first for label, value in values.items()} if first else {}
    told = [{"label": label, "of": of, "most": most,
             "found": (values if of == "value" else growth).get(label)}
            for label, of, most in goals]
    for goal in told:
        goal["met"] = goal["found"] is not None and goal["found"] <= goal["most"]
    return {"case": name, "title": title, "unit": unit, "values": values, "growth": growth,
            "goals": told,
            "spread": {label: [min(found), max(found)] for label, found in samples.items()
                       if found}}


# Markdown

def _value(value, spread):
    return f"{value:.4g} [{spread[0]:.4g}..{spread[1]:.4g}]"


def _goal_text(goal):
    found = "-" if goal["found"] is None else f"{goal['found']:.2f}"
    against = "the best" if goal["against"] == "best" else goal["against"]
    word = "met" if goal["met"] else "**not met**"
    return f"{goal['wanted']:.2f} of {against}: {found}, {word}"


def _table(rows, peers):
    lines = ["| case | unit | fedgate | " + " | ".join(peers) + " | ratio to the best | goals |",
             "|---|---|" + "---|" * (len(peers) + 3)]
    for row in rows:
        cells = [f"{row['title']} (`{row['case']}`)", row["unit"]]
        for name in ("fedgate", *peers):
            value = row["ours"] if name == "fedgate" else row["peers"].get(name)
            cells.append("-" if value is None else _value(value, row["spread"][name]))
        ratio = row["ratio_to_best"]
        cells.append("-" if ratio is None else f"**{ratio:.2f}** ({row['best']})")
        cells.append("; ".join(map(_goal_text, row["goals"])) or "-")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _growth_lines(rows):
    lines = ["| fedgate alone | unit | values | growth | goals |", "|---|---|---|---|---|"]
    for row in rows:
        values = ", ".join(f"{label}: {_value(value, row['spread'][label])}"
                           for label, value in row["values"].items())
        growth = ", ".join(f"{value:.2f}" for value in row["growth"].values())
        goals = "; ".join(f"{goal['of']} at {goal['label']} at most {goal['most']:g}, "
                          + ("met" if goal["met"] else "**not met**") for goal in row["goals"])
        lines.append(f"| {row['title']} | {row['unit']} | {values} | {growth} | {goals or '-'} |")
    return lines


def markdown(report):
    """The whole report as text."""
    lines = ["# Benchmark of fedgate", "", report["machine"], "", report["method"], ""]
    groups = {}
    for row in report["rows"]:
        peers = tuple(name for name in report["peers"] if name in row["allowed"])
        groups.setdefault(peers, []).append(row)
    for peers, rows in groups.items():
        lines += _table(rows, peers) + [""]
    if report["growth"]:
        lines += _growth_lines(report["growth"]) + [""]
    lines += ["What the jobs contain:", ""]
    lines += [f"* `{row['case']}`: {row['contains']}." for row in report["rows"]]
    if report["failed"]:
        lines += ["", "Failed:", ""] + [f"* {text}" for text in report["failed"]]
    return "\n".join(lines) + "\n"


# The picture

def _at(ratio):
    ratio = min(max(ratio, LOW), HIGH)
    return LEFT + WIDTH * math.log(ratio / LOW) / math.log(HIGH / LOW)


def _text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _bar(number, row):
    ratio, y = row["ratio_to_best"], TOP + number * BAR
    edge, one = _at(ratio), _at(1)
    colour = "#2a7f5e" if ratio >= 1 else "#b5532a"
    yield _text(LEFT - 8, y + 13, row["title"], "end")
    yield (f'<rect x="{min(edge, one):.1f}" y="{y + 3}" width="{max(abs(edge - one), 1):.1f}" '
           f'height="{BAR - 8}" fill="{colour}"/>')
    yield _text(LEFT + WIDTH + 12, y + 13, f"{ratio:.2f} ({row['best']})")
    for goal in row["goals"]:
        if goal["against"] in ("best", row["best"]):
            yield (f'<line x1="{_at(goal["wanted"]):.1f}" x2="{_at(goal["wanted"]):.1f}" '
                   f'y1="{y + 1}" y2="{y + BAR - 3}" stroke="#222" stroke-width="2"/>')


def picture(report):
    """Bars to the right of 1: fedgate needs less; short lines: what is wanted."""
    rows = [row for row in report["rows"] if row["ratio_to_best"] is not None]
    height = TOP + BAR * len(rows) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 140}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="#fff"/>',
             _text(12, 20, "What the best of the others needs, as a multiple of what fedgate "
                           "needs (black: what is wanted)")]
    for power in range(-3, 5):
        x = _at(2.0 ** power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 26}" '
                     f'stroke="{"#666" if power == 0 else "#ddd"}"/>')
        parts.append(_text(x, height - 10, f"{2.0 ** power:g}", "middle"))
    for number, row in enumerate(rows):
        parts += _bar(number, row)
    return "\n".join(parts + ["</svg>"]) + "\n"


def write(report, directory):
    """All three files."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (directory / "report.md").write_text(markdown(report), encoding="utf-8")
    (directory / "report.svg").write_text(picture(report), encoding="utf-8")
