#!/usr/bin/python3
"""Checks tests/rules.tsv: every rule and every attack that we must withstand has a row, every named
test exists and cites the id.

    tests/rules.py                 check; prints the rules without a test
    tests/rules.py --suggest       also which tests cite the rules that have none
    tests/rules.py --merge FILE    takes over the tests of FILE (id TAB [sentence TAB] tests)

A row is: id, the rule in our words, its tests. Tests are `path::name`, separated by `; `: the name
is a C test function, a Python test method, or the title of a conversation in tests/scenario. A
rule without a test says `- ` and why.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/rules.tsv"
HEADER = "id\trule\ttests, or the reason why not yet\n"

# How many rules each family has; their numbers run from 1.
FAMILIES = {"M": 5, "ST": 17, "TLS": 7, "SNI": 7, "P": 5, "ID": 12, "EXT": 6, "DB": 15, "BI": 5,
            "LIM": 2, "LV": 2, "SM": 1, "CMP": 1, "FT": 3, "ADR": 9, "DNS": 10, "BE": 21, "BE-S": 3,
            "DANE": 10, "POSH": 12, "DNA": 4}
# Attacks on certificates, on POSH and its publisher, and by DNS; their numbers have gaps.
ATTACKS = {"C": (1, 3, 4, 5, 6, 7, 9, *range(11, 21), 22, 23, 24, 27, 28),
           "P": (*range(1, 6), 7, 8, 9, 11, 12, 13, *range(15, 23), 24, 25),
           "D": (1, 3, 4, 5, 7, 8, 10, 12, 14, 15, 16)}


def all_ids():
    rules = [family + ("" if family == "BE-S" else "-") + str(number)
             for family, count in FAMILIES.items() for number in range(1, count + 1)]
    return rules + [f"{family}{number:02}" for family, numbers in ATTACKS.items()
                    for number in numbers]


def read(path):
    """{id: (sentence, tests)}, and what is wrong with the lines."""
    rows, wrong = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith(("id\t", "#")):
            continue
        cells = line.split("\t")
        if len(cells) == 2:
            cells.insert(1, "")
        if len(cells) != 3:
            wrong.append(f"{path.name}:{number}: needs three columns")
        elif cells[0] in rows:
            wrong.append(f"{path.name}:{number}: {cells[0]} is there twice")
        else:
            rows[cells[0]] = (cells[1].strip(), cells[2].strip())
    return rows, wrong


def tests_of(cell):
    """The named tests; none when the cell is a reason."""
    if cell.startswith("-"):
        return []
    return [part.strip() for part in cell.split("; ") if part.strip()]


_texts = {}


def text_of(path):
    if path not in _texts:
        file = ROOT / path
        _texts[path] = file.read_text(encoding="utf-8") if file.is_file() else None
    return _texts[path]


def defines(path, text, name):
    """Does the file hold the test of this name, as something that runs?"""
    name = re.escape(name)
    if path.endswith(".txt"):
        pattern = rf"^\* {name}$"
    elif path.endswith(".c"):
        pattern = rf"^static void {name}\(void \*\*"  # unused, it would not compile
    elif path.endswith(".py"):
        pattern = rf"^\s+def {name.rpartition('.')[2]}\("
    else:
        pattern = name
    return re.search(pattern, text, re.MULTILINE) is not None


def cites(text, rule):
    return re.search(rf"(?<![\w-]){rule}(?![\w-])", text) is not None


def check_test(rule, test):
    path, _, name = test.partition("::")
    text = text_of(path)
    if text is None:
        return f"{rule}: there is no file {path}"
    if name and not defines(path, text, name):
        return f"{rule}: {path} has no test `{name}`"
    if not cites(text, rule):
        return f"{rule}: {path} does not cite it"
    return None


def check(rows):
    wrong = [f"{rule}: has no row" for rule in all_ids() if rule not in rows]
    wrong += [f"{rule}: is no rule of the list" for rule in rows if rule not in set(all_ids())]
    for rule, (sentence, cell) in rows.items():
        if not sentence:
            wrong.append(f"{rule}: has no sentence")
        if not tests_of(cell) and len(cell.lstrip("- ")) < 10:
            wrong.append(f"{rule}: has neither a test nor a reason")
        wrong += filter(None, (check_test(rule, test) for test in tests_of(cell)))
    return wrong


def merge(rows, path):
    """Adds the tests of another table; a reason gives way to a test, never the other way."""
    others, wrong = read(path)
    for rule, (_, cell) in others.items():
        sentence, mine = rows.get(rule, ("", ""))
        tests = list(dict.fromkeys(tests_of(mine) + tests_of(cell)))
        rows[rule] = (sentence, "; ".join(tests) or cell or mine)
    order = {rule: place for place, rule in enumerate(all_ids())}
    lines = ["\t".join((rule, *rows[rule])) for rule in sorted(rows, key=lambda r: order.get(r, 999))]
    TABLE.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return wrong


def citing(rule):
    """`path::title` of the conversations, else the files, that cite a rule."""
    found = []
    for file in sorted((ROOT / "tests").rglob("*")):
        path = str(file.relative_to(ROOT))
        if file.suffix not in (".txt", ".c", ".py") or file.name == "rules.py":
            continue
        if file.suffix != ".txt":
            found += [path] if cites(text_of(path), rule) else []
            continue
        for part in re.split(r"^\* ", text_of(path), flags=re.MULTILINE)[1:]:
            found += [f"{path}::{part.splitlines()[0]}"] if cites(part, rule) else []
    return found


def main(argv):
    rows, wrong = read(TABLE)
    if argv[:1] == ["--merge"]:
        for name in argv[1:]:
            wrong += merge(rows, pathlib.Path(name))
    elif argv not in ([], ["--suggest"]):
        sys.exit(__doc__)
    wrong += check(rows)
    without = [rule for rule, (_, cell) in rows.items() if not tests_of(cell)]
    for rule in without:
        print(f"no test: {rule}: {rows[rule][0]} ({rows[rule][1].lstrip('- ')})")
        if argv == ["--suggest"]:
            print("".join(f"    cited by {test}\n" for test in citing(rule)), end="")
    for line in wrong:
        print(f"rules.tsv: {line}")
    print(f"rules: {len(rows)} rules, {len(rows) - len(without)} with a test, {len(without)} without,"
          f" {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
