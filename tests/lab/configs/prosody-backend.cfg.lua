-- A backend behind the gate: plaintext and dialback towards the gate.
pidfile = "/run/prosody/prosody.pid"
data_path = "/var/lib/prosody"
log = { debug = "/var/log/prosody/prosody.log" }
modules_enabled = {
	"roster"; "saslauth"; "disco"; "ping"; "dialback"; "version"; "posix"; "carbons";
}
authentication = "internal_hashed"
storage = "internal"
${lines}
${hosts}
