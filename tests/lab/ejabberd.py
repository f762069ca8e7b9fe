"""Stock ejabberd: as a backend behind the gate, or as a strict peer.

    backend = Ejabberd(host, backend_config(host, ["rivendell.example"]), [...], "10.99.0.2")
    backend.start(); backend.wait(); backend.register("elrond", "rivendell.example")
"""

import time

from lab.net import LabError
from lab.server import PASSWORD, Server, edit, fill, stock_file

CONFIG_PATH = "/etc/ejabberd/ejabberd.yml"
COOKIE = "LABCOOKIE"
DIRECT_LISTENER = """\
  -
    port: 5270
    ip: "{address}"
    module: ejabberd_s2s_in
    tls: true
    max_stanza_size: 524288
    backlog: 128"""
TLS_1_2 = 's2s_protocol_options: [ "no_sslv3", "no_tlsv1", "no_tlsv1_1", "no_tlsv1_3" ]'
# What a backend behind the gate needs ...
CHANGES = {
    "    starttls_required: true\n": "    starttls: false\n",
    "s2s_use_starttls: required\n": "s2s_use_starttls: false\ns2s_max_retry_delay: 1\n"
                                    "s2s_dns_timeout: 3\ns2s_dns_retries: 2\n"
                                    "negotiation_timeout: 60\n",
    "    module: ejabberd_s2s_in\n": "    module: ejabberd_s2s_in\n    backlog: 128\n",
    "  mod_fail2ban: {}\n": "",
}
# ... and what only the lab needs: no service nobody uses, no slow clients, no account at a CA.
LAB_CHANGES = {
    "    module: mod_mqtt\n    backlog: 1000\n": "    module: mod_mqtt\n",
    "  normal:\n    rate: 3000\n    burst_size: 20000\n": "  normal: 10000000\n",
    "  fast: 100000\n": "  fast: 10000000\n",
}


def _hosts(domains):
    return "\n".join(f"  - {domain}" for domain in domains)


def backend_config(host, domains, stock=True, debug=False, root=None, rates=False):
    """Debian's own file with the lines a backend behind the gate needs; `stock` False, or a
    file that somebody changed: a short one of ours. `rates`: keep the file's bandwidth limits."""
    text = stock_file(CONFIG_PATH, root) if stock else None
    if text is None or "\n  - localhost\n" not in text:
        return fill("ejabberd-backend.yml", hosts=_hosts(domains), address=host.address)
    changes = {"\n  - localhost\n": "\n" + _hosts(domains) + "\n", **CHANGES}
    if debug:
        changes["\nloglevel: info\n"] = "\nloglevel: debug\n"
    if not rates:
        changes.update({old: new for old, new in LAB_CHANGES.items() if old in text})
    return edit(text, changes, CONFIG_PATH) + "\nacme:\n  auto: false\n"


def peer_config(host, domains, identity, trust, auth="external", root=None, tls12=False,
                extra=""):
    """A strict peer; `auth` and the rest as in lab.prosody.peer_config."""
    paths = Server.credentials(host, identity, Ejabberd.user, root)
    return fill("ejabberd-peer.yml", how=auth, address=host.address, hosts=_hosts(domains),
                modules="  mod_s2s_dialback: {}" if auth == "dialback" else "",
                trust=Server.trust(host, trust), both=paths["both"],
                direct_listener=DIRECT_LISTENER.format(address=host.address), extra=extra,
                tls12=TLS_1_2 if tls12 else "")


class Ejabberd(Server):
    """One ejabberd, with an Erlang port mapper of its own; see Server for what it can do."""

    user, program, config_path = "ejabberd", "ejabberd", CONFIG_PATH

    def __init__(self, host, config, domains, resolv, root=None):
        super().__init__(host, config, domains, resolv, root)
        host.file("data/.erlang.cookie", COOKIE, self.user, 0o400, root=root)

    def start(self):
        self.process = self.host.popen(["ejabberdctl", "foreground"],
                                       env={"HOME": f"/var/lib/{self.user}"},
                                       log=self.host.dir / "ejabberd.out", **self._where())

    def stop(self, seconds=20):
        return self.process.stop(seconds, group=True)

    def log_text(self):
        """The console: the log file lags behind by its buffer."""
        return self.process.output() if self.process else ""

    def call(self, expression):
        """Has the server evaluate an Erlang expression; returns its value as Erlang text."""
        words = ["erl_call", "-sname", "ejabberd@localhost", "-c", COOKIE, "-e"]
        answer = self.host.run(words, stdin=expression + ".\n", **self._where()).stdout.strip()
        return answer.removeprefix("{ok, ").removesuffix("}")

    def register(self, name, domain=None, password=PASSWORD):
        words = ", ".join(f'<<"{word}">>' for word in (name, domain or self.domains[0], password))
        end = time.monotonic() + 20
        while True:
            try:
                answer = self.call(f"ejabberd_auth:try_register({words})")
            except LabError as error:  # the node is not there yet
                answer = error
            if answer == "ok":
                return
            if time.monotonic() > end:
                raise LabError(f"ejabberd did not register {name}: {answer}")
            time.sleep(0.1)
