"""The documents are true where a script can tell: links, targets, verbs, configuration, commands."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from tests.lib import readme

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GATE = ROOT / os.environ.get("FEDGATE", "build/fedgate")
DOCUMENTS = [ROOT / "README.md", ROOT / "proxy/README.md"]
PARTS = {"install", "certificate", "check", "prosody", "ejabberd", "start", "look",
         "host", "delegate", "sheets", "probe", "customer", "seen", "rotate"}
# As Debian 12 ships it, shortened.
EJABBERD_YML = """\
listen:
  -
    port: 5222
    ip: "::"
    module: ejabberd_c2s
  -
    port: 5269
    ip: "::"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
  -
    port: 5443
    module: ejabberd_http

s2s_use_starttls: required

modules:
  mod_s2s_dialback: {}
"""
PROSODY_CFG = """\
s2s_secure_auth = true

VirtualHost "localhost"

Include "conf.d/*.cfg.lua"
"""


def text_of(path):
    return path.read_text(encoding="utf-8")


class Documents(unittest.TestCase):
    """What README.md and proxy/README.md name is there."""

    def test_every_link_leads_somewhere(self):
        for path in DOCUMENTS:
            for target in re.findall(r"\]\(([^)#]+)\)", text_of(path)):
                with self.subTest(f"{path.name}: {target}"):
                    self.assertTrue((path.parent / target).exists())

    def test_every_make_target_exists(self):
        make = text_of(ROOT / "Makefile")
        for path in DOCUMENTS:
            for target in re.findall(r"(?:^|`)make ([a-z-]+)", text_of(path), re.MULTILINE):
                with self.subTest(target):
                    self.assertRegex(make, rf"(?m)^{target}:")

    def test_every_verb_exists(self):
        known = subprocess.run([GATE, "help"], capture_output=True, text=True, check=True).stdout
        verbs = re.findall(r"(?:^|`)fedgate ([a-z-]+)", text_of(ROOT / "README.md"), re.MULTILINE)
        self.assertGreater(len(verbs), 3)
        for verb in set(verbs):
            with self.subTest(verb):
                self.assertRegex(known, rf"(?m)^  fedgate {verb} ")

    def test_every_source_named_in_the_map_exists(self):
        for name in re.findall(r"`((?:base|xmpp|trust|net|keys|core)/[a-z_]+)(?:\.[ch])?`",
                               text_of(ROOT / "proxy/README.md")):
            with self.subTest(name):
                self.assertTrue((ROOT / f"include/{name}.h").exists() or
                                (ROOT / f"proxy/{name}.c").exists())

    def test_every_key_named_exists(self):
        schema = text_of(ROOT / "include/tenants/schema.h")
        for block in readme.blocks():
            written = block.text if block.language in ("ini", "sh") else ""
            for key in re.findall(r"(?m)^([a-z_]+) =", written):
                with self.subTest(key):
                    self.assertIn(f'"{key}"', schema)


class Commands(unittest.TestCase):
    """The blocks that are to be run: their shape, and those that need no server."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fedgate-readme-"))
        self.addCleanup(shutil.rmtree, self.home)

    def test_the_blocks_are_those_that_the_tests_know(self):
        self.assertEqual({block.words["test"] for block in readme.blocks()
                          if "test" in block.words}, PARTS)

    def test_every_block_of_commands_can_be_parsed(self):
        for block in readme.blocks():
            if block.language == "sh":
                with self.subTest(block.line):
                    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)

    def run_edits(self, part, path, text):
        """Runs the lines of a part that edit `path`, on a copy of our own."""
        copy = self.home / "edited"
        copy.write_text(text)
        lines = [line for line in readme.commands(part).splitlines()
                 if path in line and not line.startswith("fedgate ")]
        self.assertGreater(len(lines), 0)
        for line in lines:
            subprocess.run(["bash", "-euc", line.replace(path, str(copy))], check=True)
        return copy.read_text()

    def test_the_edit_of_prosody_stands_above_the_first_host(self):
        done = self.run_edits("prosody", "/etc/prosody/prosody.cfg.lua", PROSODY_CFG)
        self.assertEqual(done, PROSODY_CFG.replace(
            'VirtualHost "localhost"', 'Include "fedgate.cfg.lua"\n\nVirtualHost "localhost"'))

    def test_the_edit_of_ejabberd_takes_out_what_is_the_gates(self):
        done = self.run_edits("ejabberd", "/etc/ejabberd/ejabberd.yml", EJABBERD_YML)
        self.assertNotRegex(done, "5269|s2s_in|524288|s2s_use_starttls")
        self.assertEqual(done.count("  -\n"), 2)
        self.assertTrue(done.endswith("  mod_s2s_dialback: {}\n"
                                      "include_config_file: /etc/ejabberd/fedgate.yml\n"))

    def test_the_tenant_of_the_readme_is_served(self):
        """Its file is read without a fault by the gate, with the installed configuration."""
        for path, text in readme.files().items():
            self.write(path, text)
        self.write("/etc/fedgate/fedgate.ini", text_of(ROOT / "packaging/config/fedgate.ini"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "100", "-subj", "/CN=x",
                        "-addext", "subjectAltName=DNS:shire.example,DNS:conference.shire.example",
                        "-keyout", self.home / "privkey.pem", "-out",
                        self.home / "fullchain.pem"], check=True, capture_output=True)
        (self.home / "etc/fedgate/tls").mkdir(mode=0o700)
        script = readme.commands("certificate").replace("/etc/fedgate", f"{self.home}/etc/fedgate")
        subprocess.run(["bash", "-euc", script], cwd=self.home, check=True)
        done = subprocess.run([GATE, "check", "--config", self.home / "etc/fedgate/fedgate.ini"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def write(self, path, text):
        target = self.home / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = text.replace("/etc/fedgate", f"{self.home}/etc/fedgate")
        target.write_text(text.replace("user = fedgate", "user = nobody"))


if __name__ == "__main__":
    unittest.main()
