#!/usr/bin/python3
"""Checks what the compilers and clang-format do not: banned functions, markers of unfinished work,
the size of files and functions."""

import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "atof", "gets",
          "alloca", "setjmp", "longjmp", "strncpy", "strncat")
MEMORY = ("malloc", "calloc", "realloc", "reallocarray", "strdup", "strndup", "asprintf")
MARKERS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 500, 60, 15
PRODUCT = ("proxy/", "tenants/", "include/")
COMMENT_OR_STRING = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
                               re.DOTALL)


def code_of(text):
    """The text with comments and literals blanked; line numbers stay."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def banned_calls(path, text):
    words = BANNED
    if path.startswith(PRODUCT) and path != "proxy/base/mem.c":
        words += MEMORY
    for number, line in enumerate(code_of(text).splitlines(), 1):
        for word in re.findall(rf"\b({'|'.join(words)})\s*\(", line):
            yield f"{path}:{number}: {word} is banned"


def functions(text):
    """(name, lines, has a comment above) of every function: its braces stand in column one."""
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = start - 1
            while head > 0 and lines[head].startswith(("\t", " ")):
                head -= 1
            yield lines[head], number - start - 1, head > 0 and lines[head - 1].endswith("*/")
            start = None


def sizes(path, text, lengths):
    count = text.count("\n")
    if count > FILE_LINES:
        yield f"{path}: {count} lines, at most {FILE_LINES} are allowed"
    for name, length, reason in functions(text):
        lengths.append(length)
        if length > FUNCTION_LINES and not reason:
            yield f"{path}: {length} lines want a sentence why above: {name}"


def line_faults(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(rf"\b({'|'.join(MARKERS)})\b", line):
            yield f"{path}:{number}: a marker of unfinished work"
        if line != line.rstrip() and not path.startswith("tests/"):
            yield f"{path}:{number}: blanks at the end"


def tree():
    """The files that git knows, new ones too."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co",
                           "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    return sorted(name for name in done.stdout.decode().split("\0") if name)


def faults_of(path, text, lengths):
    yield from line_faults(path, text)
    if path.endswith((".c", ".h")):
        yield from banned_calls(path, text)
    # A test's length is that of its table.
    if path.startswith(PRODUCT) and path.endswith((".c", ".h")):
        yield from sizes(path, text, lengths)


def main():
    faults, lengths, files = [], [], 0
    for path in tree():
        file = ROOT / path
        if not file.is_file() or path.startswith("tests/fuzz/corpus"):
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        files += 1
        faults += faults_of(path, text, lengths)
    median = statistics.median(lengths)
    if median > MEDIAN_LINES:
        faults.append(f"the median of the functions is {median} lines")
    print("".join(f"{fault}\n" for fault in faults), end="")
    print(f"style: {files} files, {len(lengths)} functions of {median:.0f} lines in the median and "
          f"{max(lengths)} at most, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
