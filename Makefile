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
obj	  = $(patsubst %.c,$(B)/obj/%.o,$(1))

UNITS	 := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
WIRED	 := $(patsubst tests/unit-net/%.c,$(B)/unit-net/%,$(WIRED_SRC))

.PHONY: all help clean units
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

# Unit tests link libpure.a alone: a hidden call to a socket library is an undefined symbol.
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libpure.a $(PURE_LIBS) -lcmocka $(UNIT_LIBS)

$(B)/unit/scan_diff_test: UNIT_LIBS := -lexpat
$(B)/unit/buf_test: UNIT_LIBS := -Wl,--wrap=mem_free

$(B)/unit-net/%: $(B)/obj/tests/unit-net/%.o $(B)/libgate.a $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libgate.a $(B)/libpure.a $(LIBS) -lcmocka

# Certificates, right and wrong, with the verdict that each must get.
CERTS := $(B)/certs/cases.tsv
$(CERTS): $(wildcard tests/lab/certs/*.py)
	@echo "  CERTS $(@D)"
	@$(PYTHON) -B tests/lab/certs/make_corpus.py $(@D)
$(B)/obj/tests/unit/cert_%.o $(B)/obj/tests/unit-net/cert_%.o: CPPFLAGS += -DCERTS_DIR='"$(B)/certs"'

# A stranger's key that takes a third of a second to compute with is refused when it is read.
$(B)/fedgate $(WIRED): LDFLAGS += -Wl,--wrap=mbedtls_pk_parse_subpubkey,-u,__wrap_mbedtls_pk_parse_subpubkey

units: $(UNITS) $(WIRED) $(CERTS)
	@for t in $(UNITS) $(WIRED); do echo "== $$t"; $$t || exit 1; done

$(MBEDTLS)/lib/libmbedtls.a: packaging/deps/mbedtls.sh packaging/deps/fedgate_mbedtls_config.h
	packaging/deps/mbedtls.sh $(DEPS)

clean:
	find $(B) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +

-include $(patsubst %.o,%.d,$(call obj,$(PURE_SRC) $(GATE_SRC) $(MAIN_SRC) $(UNIT_SRC) $(WIRED_SRC)))
