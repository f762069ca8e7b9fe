# fedgate: one Makefile, not recursive. `make help` lists what a person types.
#
#   make               builds build/fedgate
#   make demo          installs what is missing, builds, shows the main job on real servers;
#                      KEEP=1 leaves everything running
#   make test          installs what is missing, builds, runs every test (ONLY=step: that step)
#   make test-all      the same, with every compiler, sanitizer and backend version
#   make test-backports  the tests with real servers, against those of bookworm-backports
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

$(B)/fedgate: $(call obj,$(MAIN_SRC)) $(B)/libgate.a $(B)/libpure.a
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $(call obj,$(MAIN_SRC)) $(B)/libgate.a $(B)/libpure.a $(LIBS)

# Unit tests link libpure.a alone: a hidden call to a socket library is an undefined symbol.
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libpure.a $(PURE_LIBS) -lcmocka $(UNIT_LIBS)

$(B)/unit/scan_diff_test: UNIT_LIBS := -lexpat

$(B)/unit-net/%: $(B)/obj/tests/unit-net/%.o $(B)/libgate.a $(B)/libpure.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $< $(B)/libgate.a $(B)/libpure.a $(LIBS) -lcmocka

units: $(UNITS) $(WIRED)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

$(MBEDTLS)/lib/libmbedtls.a: packaging/deps/mbedtls.sh packaging/deps/fedgate_mbedtls_config.h
	packaging/deps/mbedtls.sh $(DEPS)

# ---- what a person types ----

.PHONY: deps demo test test-all test-backports tests-built format check-format install uninstall \
	distclean

# Everything that the unit tests need; tests/run.py runs them.
tests-built: all $(UNITS) $(WIRED) $(CERTS)

# Nothing may be taken for granted here: on a fresh machine not even pkg-config and python3 are
# there. So the packages come first, then a second make.
deps:
	@packaging/deps/packages.sh build

demo:
	@packaging/deps/packages.sh build lab
	@$(MAKE) --no-print-directory -j2 all
	@$(PYTHON) -B tests/lab/demo.py

test:
	@packaging/deps/packages.sh build test lab
	@$(PYTHON) -B tests/run.py $(if $(ONLY),--only $(ONLY))

test-all:
	@packaging/deps/packages.sh build test lab backports
	@packaging/deps/backports.sh build/backports
	@$(PYTHON) -B tests/run.py --all

test-backports:
	@packaging/deps/packages.sh build test lab backports
	@packaging/deps/backports.sh build/backports
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

-include $(patsubst %.o,%.d,$(call obj,$(PURE_SRC) $(GATE_SRC) $(MAIN_SRC) $(UNIT_SRC) $(WIRED_SRC)))
