"""make install and make uninstall, into a directory: what is there afterwards, and what is not."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from tests.runner.run_process import clean_environment

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = "opt/gate/bin/fedgate"
UNIT = "opt/gate/lib/systemd/system/fedgate.service"
SYSUSERS = "opt/gate/lib/sysusers.d/fedgate.conf"
CONFIGURATION = "etc/fedgate/fedgate.ini"
DNS_OF_THE_LIBRARIES = re.compile("(uv_)?get(addr|name)info|gethostby|(__)?res_|getaddrinfo_a")


class Install(unittest.TestCase):
    """Each test has a fresh destination."""

    def setUp(self):
        self.dest = pathlib.Path(tempfile.mkdtemp(prefix="fedgate-install-"))
        self.addCleanup(shutil.rmtree, self.dest)

    def make(self, target):
        done = subprocess.run(["make", "--no-print-directory", target, f"DESTDIR={self.dest}",
                               "PREFIX=/opt/gate"], cwd=ROOT, env=clean_environment(),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def files(self):
        return {str(path.relative_to(self.dest)) for path in self.dest.rglob("*") if path.is_file()}

    def mode(self, name):
        return oct((self.dest / name).stat().st_mode & 0o7777)

    def test_everything_a_provider_needs_is_there(self):
        self.make("install")
        self.assertLessEqual({PROGRAM, UNIT, SYSUSERS, CONFIGURATION}, self.files())
        self.assertEqual(self.mode(PROGRAM), "0o755")
        self.assertEqual(self.mode("etc/fedgate/tenants.d"), "0o755")
        self.assertEqual(self.mode("etc/fedgate/tls"), "0o700")
        version = subprocess.run([self.dest / PROGRAM, "version"], capture_output=True, text=True,
                                 check=True)
        self.assertRegex(version.stdout, r"^fedgate \d+\.\d+")

    def test_the_unit_runs_the_program_that_was_installed(self):
        self.make("install")
        unit = (self.dest / UNIT).read_text()
        self.assertIn(f"\nExecStart=/{PROGRAM} serve --config /{CONFIGURATION}\n", unit)
        self.assertIn(f"\nExecReload=/{PROGRAM} reload --config /{CONFIGURATION}\n", unit)
        self.assertNotIn("/usr/local", unit)

    def test_the_program_has_no_other_way_to_dns_than_libunbound(self):
        """D14: neither the C library's resolver nor libuv's thread pool around it."""
        self.make("install")
        done = subprocess.run(["nm", "-D", "--undefined-only", self.dest / PROGRAM],
                              capture_output=True, text=True, check=True)
        wanted = {line.split()[1].partition("@")[0] for line in done.stdout.splitlines()}
        self.assertIn("ub_resolve_async", wanted)
        self.assertEqual({name for name in wanted if DNS_OF_THE_LIBRARIES.match(name)}, set())

    def test_a_configuration_is_never_overwritten(self):
        self.make("install")
        (self.dest / CONFIGURATION).write_text("; mine\n")
        os.chmod(self.dest / "etc/fedgate/tls", 0o750)
        self.make("install")
        self.assertEqual((self.dest / CONFIGURATION).read_text(), "; mine\n")
        self.assertEqual(self.mode("etc/fedgate/tls"), "0o750")

    def test_a_destination_leaves_this_machine_alone(self):
        before = pathlib.Path("/etc/passwd").read_bytes(), os.path.exists("/etc/fedgate")
        self.make("install")
        self.make("uninstall")
        self.assertEqual((pathlib.Path("/etc/passwd").read_bytes(),
                          os.path.exists("/etc/fedgate")), before)

    def test_uninstall_leaves_only_configuration(self):
        self.make("install")
        said = self.make("uninstall")
        self.assertEqual({name for name in self.files() if not name.startswith("etc/")}, set())
        self.assertIn(CONFIGURATION, self.files())
        self.assertIn("left in place", said)

    def test_the_user_of_the_unit_can_be_made(self):
        """systemd-sysusers reads the file into an empty root."""
        (self.dest / "etc").mkdir()
        done = subprocess.run(["systemd-sysusers", f"--root={self.dest}",
                               str(ROOT / "packaging/systemd/sysusers.conf")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("/nonexistent:/usr/sbin/nologin",
                      (self.dest / "etc/passwd").read_text())
        self.assertIn("fedgate:", (self.dest / "etc/group").read_text())


if __name__ == "__main__":
    unittest.main()
