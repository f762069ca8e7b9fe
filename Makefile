# fedgate: one Makefile, not recursive. `make help` lists what a person types.
#
#   make demo      installs what is missing, builds, shows the main job on real servers
#   make test      installs what is missing, builds, passes every test

B	 ?= build
DEPS	 := $(B)/deps
ifeq ($(origin CC),default)
CC	 := gcc
endif
SAN	 ?=
PREFIX	 ?= /usr/local
PYTHON	 := /usr/bin/python3

MBEDTLS	 := $(DEPS)/mbedtls
PACKAGES := libuv libxml-2.0 libidn2 libidn ldns
WARN	 := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -Iinclude -isystem $(MBEDTLS)/include -D_POSIX_C_SOURCE=200809L \
	    -DMBEDTLS_CONFIG_FILE='"fedgate_mbedtls_config.h"' -D_FORTIFY_SOURCE=2
CFLAGS	 ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) $(SAN) -fno-omit-frame-pointer -fstack-protector-strong \
	    -fPIE -fno-common $(shell pkg-config --cflags $(PACKAGES))
LDFLAGS	 += -pie -Wl,-z,relro,-z,now $(SAN)
PURE_LIBS = $(MBEDTLS)/lib/libmbedx509.a $(MBEDTLS)/lib/libmbedcrypto.a \
	    $(shell pkg-config --libs libxml-2.0 libidn2 libidn) -linih
LIBS	  = $(MBEDTLS)/lib/libmbedtls.a $(PURE_LIBS) -lunbound $(shell pkg-config --libs libuv ldns) -lpthread

# Layers: `pure` may not see a socket, a clock or the environment (tests/layers.sh).
PURE_SRC := $(wildcard proxy/base/*.c proxy/xmpp/*.c proxy/trust/*.c tenants/*.c)
GATE_SRC := $(wildcard proxy/net/*.c proxy/keys/*.c proxy/crypto/*.c proxy/core/*.c proxy/cmd/*.c)
MAIN_SRC := $(wildcard proxy/*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
WIRED_SRC := $(wildcard tests/unit-net/*.c)
LIB_SRC	 := $(wildcard tests/lib/*.c)
obj	  = $(patsubst %.c,$(B)/obj/%.o,$(1))

UNITS	 := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
WIRED	 := $(patsubst tests/unit-net/%.c,$(B)/unit-net/%,$(WIRED_SRC))

.PHONY: all help clean units fuzz fuzz-long
.SECONDARY:
all: $(B)/fedgate

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

$(B)/obj/%.o: %.c | $(MBEDTLS)/lib/libmbedtls.a
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libpure.a: $(call obj,$(PURE_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/libgate.a: $(call obj,$(GATE_SRC))
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/fedgate: $(call obj,$(MAIN_SRC)) $(B)/libgate.a $(B)/libpure.a
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

$(B)/unit-net/%: $(B)/obj/tests/unit-net/%.o $(B)/libgate.a $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libgate.a $(B)/libpure.a $(LIBS) -lcmocka

units: $(UNITS) $(WIRED)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

# Fuzzing: clang, libFuzzer, sanitizers; all objects of its own in build/fuzz.
#   make fuzz      fuzzes every target, FUZZ_SECONDS in all; non-zero on a finding
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
$(B)/fuzz/obj/%.o: %.c | $(MBEDTLS)/lib/libmbedtls.a
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@clang $(CPPFLAGS) -Itests/lib -std=c11 -O1 -g $(FUZZ_SAN) $(FUZZ_COV) \
		$(shell pkg-config --cflags libxml-2.0) -MMD -MP -c -o $@ $<

$(B)/fuzz/libfuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(B)/fuzz/libfuzz.a
	@clang $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $< $(B)/fuzz/libfuzz.a $(PURE_LIBS) -lexpat

# What is found on the way goes to build/, never into the committed seeds.
fuzz: $(FUZZERS)
	@for f in $^; do n=$$(basename $$f _fuzz); mkdir -p $(B)/fuzz/found/$$n; \
		echo "== $$f"; \
		$(FUZZ_ENV) $$f $(FUZZ_RUN) -max_total_time=$$(($(FUZZ_SECONDS) / $(words $(FUZZERS)))) \
			$(B)/fuzz/found/$$n tests/fuzz/corpus/$$n >$$f.log 2>&1 || { tail -40 $$f.log; exit 1; }; \
		grep -E 'number_of_executed_units|average_exec_per_sec' $$f.log; \
	done

fuzz-long: $(B)/fuzz/scan_fuzz
	@mkdir -p $(B)/fuzz/found/scan
	$(FUZZ_ENV) $< $(FUZZ_RUN) -runs=$(RUNS) $(B)/fuzz/found/scan tests/fuzz/corpus/scan

$(MBEDTLS)/lib/libmbedtls.a: packaging/deps/mbedtls.sh packaging/deps/fedgate_mbedtls_config.h
	packaging/deps/mbedtls.sh $(DEPS)

clean:
	find $(B) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +

-include $(patsubst %.o,%.d,$(call obj,$(PURE_SRC) $(GATE_SRC) $(MAIN_SRC) $(UNIT_SRC) $(WIRED_SRC) $(LIB_SRC)))
-include $(patsubst %.o,%.d,$(FUZZ_OBJ) $(FUZZERS:$(B)/fuzz/%=$(B)/fuzz/obj/tests/fuzz/%.o))
