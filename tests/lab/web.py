"""A customer's web server: nginx, HTTPS only, its certificates from the lab's *web* CA.

    web = Web(net.host("web", "10.99.0.80"), web_ca, names)
    web.site("shire.example")                         # also points the domain's A record here
    web.posh("shire.example", {"fingerprints": [...], "expires": 86400})
    web.lines("bree.example", "location = /.well-known/posh/xmpp-server.json { ... }")
    web.redirect("rohan.example", POSH_PATH, "https://other.example/posh.json")
    web.start()
    web.posh("shire.example", other)                  # a file: no reload needed
    web.requests("shire.example")                     # the access log, as dictionaries

After start(), site(), lines(), redirect() and error() take effect with web.reload().
"""

import json
import shutil
import signal
import time

from lab.net import LabError

POSH_PATH = "/.well-known/posh/xmpp-server.json"
CONFIG = """\
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	log_format json escape=json '{{"time":$msec,"host":"$host","path":"$request_uri",'
		'"status":$status,"from":"$remote_addr","agent":"$http_user_agent"}}';
	access_log {dir}/access.log json;
	client_body_temp_path {dir}/tmp;
	proxy_temp_path {dir}/tmp;
	fastcgi_temp_path {dir}/tmp;
	uwsgi_temp_path {dir}/tmp;
	scgi_temp_path {dir}/tmp;
	server_names_hash_bucket_size 256;
	proxy_ssl_trusted_certificate {trust};
{sites}}}
"""
SITE = """\
	server {{
		listen {address}:443 ssl;
		server_name {domain};
		root {root};
		ssl_certificate {chain};
		ssl_certificate_key {key};
{lines}	}}
"""
SECONDS = 10


class Web:
    """One nginx with any number of sites."""

    def __init__(self, host, ca, names=None):
        self.host, self.ca, self.names = host, ca, names
        self.process, self.sites = None, {}
        self.dir = host.directory("nginx")
        host.directory("nginx/tmp", "www-data")
        self.trust = shutil.copyfile(ca.root, self.dir / "trust.pem")

    # Sites

    def site(self, domain, identity=None):
        """HTTPS for `domain`; `identity`: another certificate than a right one."""
        self.sites[domain] = {"identity": identity or self.ca.issue(domain), "lines": []}
        self.host.directory(f"nginx/sites/{domain}")
        if self.names:
            self.names.set(domain, "A", self.host.address)

    def certificate(self, domain, identity):
        self.sites[domain]["identity"] = identity

    def file(self, domain, path, content):
        """A static file; dictionaries become JSON, None takes the file away."""
        target = self.dir / "sites" / domain / path.lstrip("/")
        if content is None:
            target.unlink()
            return
        if not isinstance(content, (bytes, str)):
            content = json.dumps(content)
        self.host.file(target.relative_to(self.host.dir), content)

    def posh(self, domain, document, service="xmpp-server"):
        self.file(domain, f"/.well-known/posh/{service}.json", document)

    def lines(self, domain, *lines):
        """Lines of the site's `server` block, verbatim; they replace those it had."""
        self.sites[domain]["lines"] = list(lines)

    def redirect(self, domain, path, target, code=302):
        self.sites[domain]["lines"].append(f"location = {path} {{ return {code} {target}; }}")

    def error(self, domain, path, code):
        self.sites[domain]["lines"].append(f"location = {path} {{ return {code}; }}")

    # Life

    def write(self):
        sites = "".join(SITE.format(
            address=self.host.address, domain=domain, root=self.dir / "sites" / domain,
            chain=site["identity"].chain, key=site["identity"].key,
            lines="".join(f"\t\t{line}\n" for line in site["lines"]))
            for domain, site in self.sites.items())
        return self.host.file("nginx/nginx.conf",
                              CONFIG.format(dir=self.dir, trust=self.trust, sites=sites))

    def start(self):
        """The names that `lines` proxy to must be known by now: nginx looks them up once."""
        config = self.write()
        resolv = self.names.host.address if self.names else None
        self.process = self.host.popen(["nginx", "-e", "stderr", "-p", self.dir, "-c", config],
                                       log=self.host.dir / "nginx.log", resolv=resolv)
        self.host.wait_for_port(443, self.process, SECONDS)

    def reload(self):
        """Returns when workers with the new configuration serve, and the old ones do not."""
        self.write()
        before = self.process.output()
        self.process.send(signal.SIGHUP)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            said = self.process.output()[len(before):]
            if "[emerg]" in said:
                raise LabError("nginx refuses its configuration: " + said)
            if "exited with code 0" in said:
                return
            time.sleep(0.02)
        raise LabError("nginx did not reload: " + self.process.output()[-800:])

    def stop(self):
        self.process.stop()

    def requests(self, domain=None, since=0):
        """What was asked for, oldest first: time, host, path, status, from, agent."""
        log = self.dir / "access.log"
        if not log.exists():
            return []
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return [one for one in entries if domain in (None, one["host"]) and one["time"] >= since]
