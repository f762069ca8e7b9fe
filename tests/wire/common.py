"""What every wire test needs first: the modules of the lab, and which binary is under test."""

import os
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "lib")]
BINARY = pathlib.Path(os.environ.get("FEDGATE", ROOT / "build" / "fedgate"))
# Sanitizers keep freed memory for a while and are slow: what is measured then says nothing.
SANITIZED = "asan" in str(BINARY)
LOGS = pathlib.Path(os.environ.get("FEDGATE_TEST_LOGS", ROOT / "build" / "test" / "wire"))
