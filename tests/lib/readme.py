"""The code blocks of README.md, as the tests run them.

    for block in readme.blocks():
        block.language, block.words, block.text

A fence such as ```sh test=install has the language `sh` and the words {"test": "install"};
```ini file=/etc/x.ini has {"file": "/etc/x.ini"}; those of a later chapter say part=NAME. proxy/README.md says what they mean.
"""

import dataclasses
import pathlib
import re

README = pathlib.Path(__file__).resolve().parent.parent.parent / "README.md"
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass
class Block:
    """One fenced block; line is where its fence stands."""

    line: int
    language: str
    words: dict
    text: str


def blocks(path=README):
    text = path.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, *words = match[1].split() or [""]
        found.append(Block(text.count("\n", 0, match.start()) + 1, language,
                           dict(word.partition("=")[::2] for word in words), match[2]))
    return found


def commands(name, path=README):
    """What the blocks `sh test=NAME` say, in the order of the file."""
    return "".join(block.text for block in blocks(path) if block.words.get("test") == name)


def files(part=None, path=README):
    """{path: text} of the blocks `ini file=PATH`: those of a part, or those of none."""
    return {block.words["file"]: block.text for block in blocks(path)
            if "file" in block.words and block.words.get("part") == part}
