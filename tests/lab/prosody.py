"""Stock Prosody: as a backend behind the gate, or as a strict peer.

    backend = Prosody(host, backend_config(["shire.example"]), ["shire.example"], "10.99.0.2")
    backend.start(); backend.wait(); backend.register("frodo", "shire.example")
"""

from lab.server import PASSWORD, Server, edit, fill, stock_file

CONFIG_PATH = "/etc/prosody/prosody.cfg.lua"
LINES = """\
s2s_secure_auth = false
s2s_require_encryption = false
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
use_ipv6 = false
"""
SLOW = {'rate = "10kb/s"': 'rate = "10mb/s"', 'rate = "30kb/s"': 'rate = "30mb/s"'}

# Lines of a strict peer that believes TLSA records: lua-unbound, which validates from an anchor.
USE_DANE = """\
use_dane = true
unbound = {{ resolvconf = true; trustfile = "{anchor}" }}
"""


def _hosts(domains):
    return "".join(f'VirtualHost "{domain}"\n' for domain in domains)


def backend_config(domains, stock=True, debug=False, root=None, rates=False):
    """Debian's own file with the lines a backend behind the gate needs; `stock` False, or a
    file that somebody changed: a short one of ours. `rates`: keep the file's bandwidth limits."""
    text = stock_file(CONFIG_PATH, root) if stock else None
    if text is None:
        return fill("prosody-backend.cfg.lua", hosts=_hosts(domains), lines=LINES)
    changes = {"\ns2s_secure_auth = true\n": "\n" + LINES}
    if debug:
        changes["\tinfo = "] = "\tdebug = "
    if not rates:
        changes.update(SLOW)
    return edit(text, changes, CONFIG_PATH) + _hosts(domains)


def peer_config(host, domains, identity, trust, auth="external", root=None, tls12=False,
                extra=""):
    """A strict peer. auth "external": certificates verified, no dialback; "dialback": TLS with
    certificates that prove nothing to each other (give it such an identity and such a CA).
    `tls12`: no TLS 1.3. `extra`: further lines of the global section."""
    paths = Server.credentials(host, identity, Prosody.user, root)
    dialback = auth == "dialback"
    return fill("prosody-peer.cfg.lua", how=auth, address=host.address, hosts=_hosts(domains),
                modules='"dialback";' if dialback else "", trust=Server.trust(host, trust),
                secure_auth="false" if dialback else "true", direct_port=5270,
                chain=paths["chain"], key=paths["key"], extra=extra,
                tls12='protocol = "tlsv1_2";' if tls12 else "")


class Prosody(Server):
    """One Prosody; see Server for what it can do."""

    user, program, config_path = "prosody", "Prosody", CONFIG_PATH

    def start(self):
        self.process = self.host.popen(["prosody", "-F"], log=self.host.dir / "prosody.out",
                                       **self._where())

    def stop(self, seconds=10):
        return self.process.stop(seconds)

    def register(self, name, domain=None, password=PASSWORD):
        self.host.run(["prosodyctl", "register", name, domain or self.domains[0], password],
                      **self._where())
