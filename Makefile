# fedgate: one Makefile, not recursive. `make help` lists what a person types.
#
#   make               builds build/fedgate
#   make demo          installs what is missing, builds, shows the main job on real servers;
#                      KEEP=1 leaves everything running
#   make test          installs what is missing, builds, runs every test (ONLY=step: that step)
#   make test-all      the same, with every compiler, sanitizer and backend version
#   make test-backports  the tests with real servers, against those of bookworm-backports
#   make bench         measures fedgate beside HAProxy, nginx, hitch, Prosody and ejabberd, in
#                      build/bench (BENCH_SECONDS, BENCH_ROUNDS, BENCH_CASES: tests/bench/bench.py)
#   make deps          installs, with apt, what building needs
#   make install       PREFIX, DESTDIR: binary, systemd unit, user, example configuration
#   make uninstall     takes the same away, but for configuration and secrets
#   make format        puts every C file into the one shape
#   make clean         removes what was built, but for build/deps; distclean: that too

B	 ?= build
DEPS	 ?= build/deps
ifeq ($(origin CC),default)
CC	 := gcc
endif
SAN	 ?=
PREFIX	 ?= /usr/local
DESTDIR	 ?=
CONFDIR	 := /etc/fedgate
PYTHON	 := /usr/bin/python3

MBEDTLS	 := $(DEPS)/mbedtls
PACKAGES := libuv libxml-2.0 libidn2 libidn ldns jansson libcurl openssl
WARN	 := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -Iinclude -isystem $(MBEDTLS)/include -D_POSIX_C_SOURCE=200809L \
	    -DMBEDTLS_CONFIG_FILE='"fedgate_mbedtls_config.h"' -D_FORTIFY_SOURCE=2
CFLAGS	 ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) $(SAN) -fno-omit-frame-pointer -fstack-protector-strong \
	    -fPIE -fno-common $(shell pkg-config --cflags $(PACKAGES))
LDFLAGS	 += -pie -Wl,-z,relro,-z,now $(SAN)
PURE_LIBS = $(MBEDTLS)/lib/libmbedx509.a $(MBEDTLS)/lib/libmbedcrypto.a \
	    $(shell pkg-config --libs libxml-2.0 libidn2 libidn jansson) -linih
LIBS	  = $(MBEDTLS)/lib/libmbedtls.a $(PURE_LIBS) -lunbound \
	    $(shell pkg-config --libs libuv ldns libcurl openssl) -lpthread

# Layers: `pure` may not see a socket, a clock or the environment (tests/layers.sh).
PURE_SRC := $(wildcard proxy/base/*.c proxy/xmpp/*.c proxy/trust/*.c tenants/*.c)
GATE_SRC := $(wildcard proxy/net/*.c proxy/keys/*.c proxy/crypto/*.c proxy/core/*.c proxy/cmd/*.c)
MAIN_SRC := $(wildcard proxy/*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
WIRED_SRC := $(wildcard tests/unit-net/*.c)
WIRED_LIB_SRC := $(wildcard tests/unit-net/lib/*.c)
LIB_SRC	 := $(wildcard tests/lib/*.c)
comma	 := ,
obj	  = $(patsubst %.c,$(B)/obj/%.o,$(1))

UNITS	 := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
WIRED	 := $(patsubst tests/unit-net/%.c,$(B)/unit-net/%,$(WIRED_SRC))

.PHONY: all help deps demo demo-down bench test test-all test-backports tests-built units fuzz fuzz-long \
	format check-format install uninstall clean distclean
.SECONDARY:
all: $(B)/fedgate

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

$(B)/obj/%.o: %.c $(MBEDTLS)/lib/libmbedtls.a
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# An archive is made again also when a source went away.
$(B)/pure.list: SOURCES = $(PURE_SRC)
$(B)/gate.list: SOURCES = $(GATE_SRC)
$(B)/%.list: FORCE
	@mkdir -p $(@D)
	@echo '$(SOURCES)' | cmp -s - $@ || echo '$(SOURCES)' >$@
.PHONY: FORCE

$(B)/libpure.a: $(call obj,$(PURE_SRC)) $(B)/pure.list
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)

$(B)/libgate.a: $(call obj,$(GATE_SRC)) $(B)/gate.list
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)

$(B)/fedgate: $(call obj,$(MAIN_SRC)) $(B)/libgate.a $(B)/libpure.a $(MBEDTLS)/lib/libmbedtls.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(call obj,$(MAIN_SRC)) $(B)/libgate.a $(B)/libpure.a $(LIBS)

# Code that several tests share. It may use other parsers than ours, to compare.
$(B)/obj/tests/lib/%.o: CPPFLAGS += -Itests/lib
$(B)/libtest.a: $(call obj,$(LIB_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

# Unit tests link libpure.a alone: a hidden call to a socket library is an undefined symbol.
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libpure.a $(PURE_LIBS) -lcmocka $(UNIT_LIBS)

# Tests of the scanner and of what stands on it play streams with the code of tests/lib.
SCAN_TESTS := $(filter $(B)/unit/scan_% $(B)/unit/repair_%,$(UNITS))
$(SCAN_TESTS): $(B)/libtest.a
$(SCAN_TESTS): UNIT_LIBS = $(B)/libtest.a $(B)/libpure.a -lexpat $(PURE_LIBS)
$(patsubst $(B)/unit/%,$(B)/obj/tests/unit/%.o,$(SCAN_TESTS)): CPPFLAGS += -Itests/lib
$(B)/unit/buf_test: UNIT_LIBS := -Wl,--wrap=mem_free

$(B)/libwired.a: $(call obj,$(WIRED_LIB_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

# The helpers of these tests speak OpenSSL, so that two libraries meet.
$(B)/unit-net/%: $(B)/obj/tests/unit-net/%.o $(B)/libwired.a $(B)/libgate.a $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libwired.a $(B)/libgate.a $(B)/libpure.a $(LIBS) -lcmocka -lssl -lcrypto

# What the store does to the disk is cut off at every step.
$(B)/unit-net/store_test: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,mkdir mkdirat write fsync renameat symlinkat unlinkat)

# Certificates, right and wrong, with the verdict that each must get.
CERTS := $(B)/certs/cases.tsv
$(CERTS): $(wildcard tests/lab/certs/*.py)
	@echo "  CERTS $(@D)"
	@$(PYTHON) -B tests/lab/certs/make_corpus.py $(@D)
$(B)/obj/tests/unit/cert_%.o $(B)/obj/tests/unit-net/cert_%.o: CPPFLAGS += -DCERTS_DIR='"$(B)/certs"'

# POSH documents with the verdict of a second verifier, in Python.
POSH	 := $(B)/posh/cases.tsv
$(POSH): $(wildcard tests/lab/posh/*.py) tests/lib/posh_verifier.py tests/lab/ca.py
	@echo "  POSH  $(@D)"
	@$(PYTHON) -B tests/lab/posh/make_corpus.py $(@D)
$(B)/obj/tests/unit/posh_second_test.o: CPPFLAGS += -DPOSH_DIR='"$(B)/posh"'

# A stranger's key that takes a third of a second to compute with is refused when it is read.
$(B)/fedgate $(WIRED) $(B)/bench/paths: LDFLAGS += -Wl,--wrap=mbedtls_pk_parse_subpubkey,-u,__wrap_mbedtls_pk_parse_subpubkey

# The load of `make bench`; OpenSSL, so that what it costs is not ours.
BENCH_OBJ := $(call obj,$(wildcard tests/bench/loadgen/*.c))
$(B)/bench/loadgen: $(BENCH_OBJ)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lssl -lcrypto

# Hot paths, for callgrind to count; they stand on what the tests of the same layers stand on.
PATHS_OBJ := $(B)/obj/tests/bench/instructions/paths.o
$(PATHS_OBJ): CPPFLAGS += -Itests/unit-net
$(B)/bench/paths: $(PATHS_OBJ) $(B)/libwired.a $(B)/libgate.a $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -lssl -lcrypto

units: $(UNITS) $(WIRED) $(CERTS) $(POSH)
	@for t in $(UNITS) $(WIRED); do echo "== $$t"; $$t || exit 1; done

# Fuzzing: clang, libFuzzer, sanitizers; all objects of its own in build/fuzz.
#   make fuzz      fuzzes every target, in about FUZZ_SECONDS; non-zero on a finding
#   make fuzz-long fuzzes the scanner against libxml2 and expat, RUNS executions
FUZZ_SECONDS ?= 60
RUNS	 ?= 10000000
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZERS	 := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(PURE_SRC) $(LIB_SRC))
FUZZ_RUN  = -max_len=4096 -timeout=10 -rss_limit_mb=1024 -dict=tests/fuzz/xml.dict \
	    -artifact_prefix=$(B)/fuzz/ -print_final_stats=1

# A short quarantine and short traces of allocations double the speed and still name the fault.
FUZZ_ENV := ASAN_OPTIONS=quarantine_size_mb=4:malloc_context_size=4

# What the fuzzer steers by is our code, not the tests' own.
$(B)/fuzz/obj/proxy/%.o $(B)/fuzz/obj/tenants/%.o: FUZZ_COV := -fsanitize=fuzzer-no-link
$(B)/fuzz/obj/%.o: %.c $(MBEDTLS)/lib/libmbedtls.a
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@clang $(CPPFLAGS) -Itests/lib -std=c11 -O1 -g $(FUZZ_SAN) $(FUZZ_COV) \
		$(shell pkg-config --cflags libxml-2.0) -MMD -MP -c -o $@ $<

$(B)/fuzz/libfuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/libfuzz.a
	@clang $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $< $(B)/fuzz/libfuzz.a $(PURE_LIBS) -lexpat

# What is found on the way goes to build/, never into the committed seeds. The scanner against two
# other parsers gets FUZZ_SECONDS for itself; the others share as many, beside it.
FUZZ_REST := $(filter-out $(B)/fuzz/scan_fuzz,$(FUZZERS))
# beside it (with -j2).
fuzz: $(FUZZERS:%=%.run)

$(B)/fuzz/scan_fuzz.run: SECONDS_EACH = $(FUZZ_SECONDS)
$(FUZZ_REST:%=%.run): SECONDS_EACH = $$(( $(FUZZ_SECONDS) / $(words $(FUZZ_REST)) ))
# One behind the other: each waits for the one before it in the list.
$(foreach i,$(shell seq 2 $(words $(FUZZ_REST))),$(eval \
	$(word $(i),$(FUZZ_REST)).run: $(word $(shell expr $(i) - 1),$(FUZZ_REST)).run))
.PHONY: $(FUZZERS:%=%.run)
$(FUZZERS:%=%.run): $(B)/fuzz/%_fuzz.run: | $(FUZZERS)
	@n=$*; f=$(B)/fuzz/$${n}_fuzz; mkdir -p $(B)/fuzz/found/$$n; echo "== $$f"; \
	$(FUZZ_ENV) $$f $(FUZZ_RUN) -max_total_time=$(SECONDS_EACH) \
		$(B)/fuzz/found/$$n tests/fuzz/corpus/$$n >$$f.log 2>&1 || { tail -40 $$f.log; exit 1; }; \
	grep -E 'number_of_executed_units|average_exec_per_sec' $$f.log | sed "s/^/$$n: /"

fuzz-long: $(B)/fuzz/scan_fuzz
	@mkdir -p $(B)/fuzz/found/scan
	$(FUZZ_ENV) $< $(FUZZ_RUN) -runs=$(RUNS) $(B)/fuzz/found/scan tests/fuzz/corpus/scan

$(MBEDTLS)/lib/libmbedtls.a: packaging/deps/mbedtls.sh packaging/deps/fedgate_mbedtls_config.h \
		packaging/deps/mbedtls-pss.patch
	packaging/deps/mbedtls.sh $(DEPS)

# ---- what a person types ----

# Everything that the unit tests need; tests/run.py runs them.
tests-built: all $(UNITS) $(WIRED) $(B)/bench/loadgen $(B)/bench/paths $(CERTS) $(POSH)

# Nothing may be taken for granted here: on a fresh machine not even pkg-config and python3 are
# there. So the packages come first, then a second make.
deps:
	@packaging/deps/packages.sh build

demo:
	@packaging/deps/packages.sh build lab
	@$(MAKE) --no-print-directory -j2 all
	@PYTHONPATH=tests $(PYTHON) -B -m lab.demo $(B)/fedgate

demo-down:
	@PYTHONPATH=tests $(PYTHON) -B -m lab.net down

bench:
	@packaging/deps/packages.sh build lab bench
	@$(MAKE) --no-print-directory -j2 all $(B)/bench/loadgen
	@$(PYTHON) -B tests/bench/bench.py $(B)/fedgate $(B)/bench/loadgen $(B)/bench

test:
	@packaging/deps/packages.sh build test lab
	@$(PYTHON) -B tests/run.py $(if $(ONLY),--only $(ONLY))

test-all:
	@packaging/deps/packages.sh build test lab backports
	@packaging/deps/backports.sh build/deps/backports-root
	@$(PYTHON) -B tests/run.py --all

test-backports:
	@packaging/deps/packages.sh build test lab backports
	@packaging/deps/backports.sh build/deps/backports-root
	@$(PYTHON) -B tests/run.py --only gcc,backports

C_FILES	  = $(shell find proxy tenants include tests -name '*.[ch]')
format:
	clang-format-14 -i $(C_FILES)

check-format:
	@clang-format-14 --dry-run -Werror $(C_FILES)

install: all
	install -D -m 755 $(B)/fedgate $(DESTDIR)$(PREFIX)/bin/fedgate
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,/usr/local/bin/,$(PREFIX)/bin/,' packaging/systemd/fedgate.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/fedgate.service
	install -D -m 644 packaging/systemd/sysusers.conf \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/fedgate.conf
	packaging/install.sh "$(DESTDIR)" "$(CONFDIR)"

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/fedgate $(DESTDIR)$(PREFIX)/lib/sysusers.d/fedgate.conf \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/fedgate.service
	packaging/install.sh --remove "$(DESTDIR)" "$(CONFDIR)"

clean:
	[ ! -d $(B) ] || find $(B) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
	rm -rf build-*

distclean: clean
	rm -rf build

-include $(patsubst %.o,%.d,$(call obj,$(PURE_SRC) $(GATE_SRC) $(MAIN_SRC) $(UNIT_SRC) $(WIRED_SRC) \
	$(WIRED_LIB_SRC) $(LIB_SRC)) $(BENCH_OBJ) $(PATHS_OBJ))
-include $(patsubst %.o,%.d,$(FUZZ_OBJ) $(FUZZERS:$(B)/fuzz/%=$(B)/fuzz/obj/tests/fuzz/%.o))
