#!/bin/sh
# Makes the certificates and keys of this directory anew. They are valid for a hundred years and
# guard nothing: the tests judge them at dates of their own choosing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# sign ISSUER KEY NAME EXTENSION...: a certificate on standard output
sign() {
	issuer=$1 key=$2 name=$3
	shift 3
	printf '%s\n' "$@" >"$work/ext"
	openssl req -new -key "$key" -subj "/CN=$name" -out "$work/csr"
	openssl x509 -req -in "$work/csr" -CA "$work/$issuer.crt" -CAkey "$work/$issuer.key" \
		-CAcreateserial -days 36500 -extfile "$work/ext" 2>/dev/null
}

new_key "$work/root.key"
openssl req -x509 -new -key "$work/root.key" -subj "/CN=Test Root" -days 36500 -out "$work/root.crt"
new_key "$work/sub.key"
sign root "$work/sub.key" "Test Authority" "basicConstraints=critical,CA:TRUE" >"$work/sub.crt"
cp "$work/root.crt" root.pem

server="extendedKeyUsage=serverAuth"
not_ca="basicConstraints=critical,CA:FALSE"
names="subjectAltName=DNS:shire.example,DNS:conference.shire.example"

new_key shire.key
sign sub shire.key shire.example "$names" "$server" "$not_ca" >"$work/leaf.crt"
cat "$work/leaf.crt" "$work/sub.crt" >shire.pem
cat "$work/sub.crt" "$work/leaf.crt" >shire-backwards.pem
cat "$work/leaf.crt" "$work/root.crt" >shire-gap.pem
openssl pkcs8 -topk8 -nocrypt -in shire.key -out shire-pkcs8.key
openssl pkcs8 -topk8 -passout pass:mellon -in shire.key -out shire-encrypted.key
openssl ec -in shire.key -aes128 -passout pass:mellon -out shire-encrypted-old.key 2>/dev/null
openssl ec -in shire.key -no_public -out shire-nopublic.key 2>/dev/null
{ openssl ecparam -name prime256v1 && cat shire.key; } >shire-parameters.key

openssl genrsa -out shire-rsa.key 2048 2>/dev/null
openssl rsa -in shire-rsa.key -traditional -out shire-rsa-pkcs1.key 2>/dev/null
sign sub shire-rsa.key shire.example "$names" "$server" "$not_ca" >shire-rsa.pem

sign sub shire.key shire.example "$names" "extendedKeyUsage=clientAuth" "$not_ca" >shire-client.pem
sign root shire.key shire.example "$names" "basicConstraints=CA:TRUE" >shire-ca.pem

new_key moria.key
sign sub moria.key moria.example "subjectAltName=DNS:moria.example,DNS:*.moria.example" \
	"$server" "$not_ca" >moria.pem
# The private half of moria.key beside the public half of shire.key (both SEC 1, RFC 5915).
der() { openssl ec -in "$1" -outform DER 2>/dev/null; }
{
	echo "-----BEGIN EC PRIVATE KEY-----"
	{
		der shire.key | head -c 7
		der moria.key | tail -c +8 | head -c 32
		der shire.key | tail -c +40
	} | base64 -w 64
	echo "-----END EC PRIVATE KEY-----"
} >shire-forged.key
chmod 600 ./*.key
