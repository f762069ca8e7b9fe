-- A strict peer: TLS required; ${how}.
pidfile = "/run/prosody/prosody.pid"
data_path = "/var/lib/prosody"
log = { debug = "/var/log/prosody/prosody.log" }
interfaces = { "${address}" }
modules_enabled = {
	"roster"; "saslauth"; "tls"; "disco"; "ping"; "version"; "posix"; "carbons";
	${modules}
}
authentication = "internal_hashed"
storage = "internal"
s2s_require_encryption = true
s2s_secure_auth = ${secure_auth}
s2s_direct_tls_ports = { ${direct_port} }
ssl = {
	certificate = "${chain}"; key = "${key}"; cafile = "${trust}"; capath = "/nonexistent";
	${tls12}
}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
use_ipv6 = false
${extra}
${hosts}
