#!/bin/sh
# cppcheck on the whole product, clang-tidy (.clang-tidy) file by file, two at a time.
set -eu
cd "$(dirname "$0")/.."

mbedtls=build/deps/mbedtls
[ -d $mbedtls/include ] || { echo "lint: build first: $mbedtls is not there"; exit 2; }
files=$(find proxy tenants -name '*.c' | sort)
count=$(echo "$files" | wc -l)

cppcheck --quiet -j2 --std=c11 --enable=warning,performance,portability --inline-suppr \
	--error-exitcode=1 -Iinclude proxy tenants
echo "lint: cppcheck is content with $count files"

# shellcheck disable=SC2046,SC2086 # flags and file names are words
flags="-std=c11 -Iinclude -isystem $mbedtls/include -D_POSIX_C_SOURCE=200809L \
	-DMBEDTLS_CONFIG_FILE=<fedgate_mbedtls_config.h> \
	$(pkg-config --cflags libuv libxml-2.0 libidn2 libidn ldns)"
echo "$files" | FLAGS=$flags xargs -P2 -n4 sh -c 'clang-tidy --quiet "$@" -- $FLAGS 2>&1' tidy ||
	{ echo "lint: clang-tidy is not content"; exit 1; }
echo "lint: clang-tidy is content with $count files"
