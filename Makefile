# SPDX-License-Identifier: Apache-2.0
# fccompose: one non-recursive Makefile. Knobs: DEBUG=1 ASAN=1 UBSAN=1 TSAN=1 WERROR=1 ISAL=, B=build-folder, CC, PREFIX, DESTDIR.
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell sed -n 's/.*FCCOMPOSE_VERSION "\(.*\)".*/\1/p' include/fccompose/fccompose.h)

# A build folder for each flavour, so that switching knobs needs no clean.
FLAVOUR := $(if $(DEBUG),-debug)$(if $(ASAN),-asan)$(if $(UBSAN),-ubsan)$(if $(TSAN),-tsan)
B ?= build$(FLAVOUR)
# V=1 shows whole command lines.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

include src/deps.mk

PKGS := fuse3 ext2fs libarchive zlib sqlite3 jansson libcrypto libselinux libxxhash yaml-0.1 libcap
# Of libcurl the headers alone: src/fetch loads it when it is needed.
# Nice to have: isa-l inflates gzip in half the time of zlib. ISAL= leaves it out.
ifeq ($(origin ISAL),undefined)
ISAL := $(shell pkg-config --exists libisal && echo libisal)
endif
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wvla
OPT := $(if $(DEBUG)$(ASAN)$(UBSAN)$(TSAN),-O1 -g -fno-omit-frame-pointer,-O2 -g)
SAN := $(if $(ASAN),-fsanitize=address) $(if $(UBSAN),-fsanitize=undefined -fno-sanitize-recover=undefined) \
	$(if $(TSAN),-fsanitize=thread)
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(shell pkg-config --cflags $(PKGS) libcurl $(ISAL)) \
	$(if $(ISAL),-DFC_HAVE_ISAL)
CFLAGS += -std=gnu11 $(OPT) $(WARNINGS) $(if $(WERROR),-Werror) $(SAN) -fvisibility=hidden -fPIC -pthread
LDFLAGS += $(SAN) -pthread
LIBS := $(shell pkg-config --libs $(PKGS) $(ISAL)) -lcom_err -lcrypt -ldl

lib_modules := $(filter-out cli,$(MODULES))
sources = $(sort $(wildcard src/$(1)/*.c))
objects = $(patsubst src/%.c,$(B)/obj/%.o,$(call sources,$(1)))
# Everything that module $(1) links with, itself included.
closure = $(sort $(1) $(foreach m,$(uses_$(1)),$(call closure,$(m))))

LIB_OBJS := $(foreach m,$(lib_modules),$(call objects,$(m)))
UNIT_TESTS := $(patsubst tests/unit/test_%.c,$(B)/unit/test_%,$(sort $(wildcard tests/unit/test_*.c)))
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(sort $(wildcard examples/*.c)))

.PHONY: all lib unit examples check lint format bench-freeze bench-live bench-import soak clean install uninstall
all: $(B)/fccompose $(B)/libfccompose.a $(B)/libfccompose.so examples
lib: $(B)/libfccompose.a
unit: $(UNIT_TESTS) $(B)/tests/same-calls $(B)/posix
examples: $(EXAMPLES)

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The guest's init has no libc: one program for each architecture that there is a compiler for, put into guest/blob.c.
INIT_FLAGS := -std=gnu11 -Os $(WARNINGS) $(if $(WERROR),-Werror) -ffreestanding -fno-builtin -fno-stack-protector -fno-pie \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Wno-ignored-optimization-argument \
	-static -nostdlib -no-pie -s -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,noexecstack
compiler_for = $(if $(filter $(1)-%,$(shell $(CC) -dumpmachine)),$(CC),$(shell command -v $(1)-linux-gnu-gcc))
INIT_CC_x86_64 := $(call compiler_for,x86_64)
INIT_CC_aarch64 := $(call compiler_for,aarch64)
INIT_ARCHS := $(foreach a,x86_64 aarch64,$(if $(INIT_CC_$(a)),$(a)))

$(B)/init/%: $(sort $(wildcard src/guest/init/*.c src/guest/init/*.h))
	@mkdir -p $(@D)
	$(call say,INIT,$@)
	$(Q)$(INIT_CC_$*) $(filter-out $(if $(filter x86_64,$*),,-fcf-protection=none),$(INIT_FLAGS)) -o $@ $(filter %.c,$^)

$(B)/obj/guest/blob.o: $(INIT_ARCHS:%=$(B)/init/%)
$(B)/obj/guest/blob.o: CPPFLAGS += $(foreach a,$(INIT_ARCHS),-DFC_INIT_$(subst aarch64,AARCH64,$(subst x86_64,X86_64,$(a)))='"$(B)/init/$(a)"')
# The kernel's fragments as rows of a table: {"NAME", "TEXT", NULL}.
$(B)/obj/kernel/fragment.o: $(B)/made/kernel-fragments.inc
$(B)/obj/kernel/fragment.o: CPPFLAGS += -I$(B)/made
$(B)/made/kernel-fragments.inc: $(sort $(wildcard src/kernel/fragments/*.config)) Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)for f in $(filter %.config,$^); do printf '{"%s",\n' "$$(basename $$f .config)"; \
		sed 's/[\"]/\\&/g; s/.*/"&\\n"/' $$f; printf ', NULL},\n'; done > $@.part && mv $@.part $@

$(B)/libfccompose.a: $(LIB_OBJS)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/libfccompose.so: $(LIB_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libfccompose.so.0 -o $@ $^ $(LIBS)

$(B)/fccompose: $(call objects,cli) $(B)/libfccompose.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# tests/unit/test_MODULE.c or test_MODULE_TOPIC.c links just what MODULE may use, and tests/unit/MODULE_TOPIC/*.c if it has such.
module_of = $(firstword $(subst _, ,$(patsubst test_%,%,$(notdir $(1)))))
parts_of = $(patsubst tests/unit/%.c,$(B)/tests/%.o,$(sort $(wildcard tests/unit/$(patsubst test_%,%,$(notdir $(1)))/*.c)))
define unit_rule
$(1): $(B)/tests/$(notdir $(1)).o $(call parts_of,$(1)) $(foreach m,$(call closure,$(call module_of,$(1))),$(call objects,$(m)))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LIBS) -lcmocka
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

$(B)/tests/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP -c -o $@ $<

# The same system calls in two trees: knows nothing of the library.
$(B)/tests/same-calls: $(patsubst tests/%.c,$(B)/tests/%.o,$(sort $(wildcard tests/calls/*.c)))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/calls/%.o: tests/calls/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CFLAGS) -MMD -MP -c -o $@ $<

# The POSIX suite knows nothing of the subject.
$(B)/posix: $(patsubst tests/posix/%.c,$(B)/tests/posix/%.o,$(sort $(wildcard tests/posix/*.c)))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/posix/%.o: tests/posix/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CFLAGS) -MMD -MP -c -o $@ $<

# Examples see the public headers and the shared library alone.
$(B)/examples/%: examples/%.c $(B)/libfccompose.so
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -Iinclude -D_GNU_SOURCE -std=gnu11 $(OPT) -Wall -Wextra $(SAN) -o $@ $< -L$(B) -lfccompose \
		-Wl,-rpath,'$$ORIGIN/..'

$(B)/libfccompose.so.0: $(B)/libfccompose.so
	ln -sf libfccompose.so $@
$(EXAMPLES): | $(B)/libfccompose.so.0

check: all unit
	B=$(B) tests/run

lint:
	tools/lint

# BENCH: options of tests/bench/freeze, such as BENCH='--only developer --host xfs --runs 3'.
bench-freeze: $(B)/fccompose
	B=$(B) tests/bench/freeze $(BENCH)

# The same for tests/bench/live, such as BENCH='--only minbase --row create --runs 3'.
bench-live: $(B)/fccompose
	B=$(B) tests/bench/live $(BENCH)

# The same for tests/bench/import, which compares with a build that has no isa-l, too: BENCH='--only layers --peer fccompose'.
bench-import: $(B)/fccompose
	$(Q)$(MAKE) --no-print-directory B=$(B)-zlib ISAL= $(B)-zlib/fccompose
	B=$(B) tests/bench/import $(BENCH)

# Random trees and operations for hours (default 1): make soak HOURS=8, make soak SEED=17 for one of them again.
soak: $(B)/fccompose $(B)/unit/test_live_model $(B)/tests/same-calls
	B=$(B) tests/soak $(if $(HOURS),--hours $(HOURS)) $(if $(SEED),--seed $(SEED)) $(SOAK)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# Manual pages and completions come out of the program's own tables.
$(B)/share/made: $(B)/fccompose
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,MAN,$(@D))
	$(Q)$(B)/fccompose help --man > $(@D)/fccompose.1
	$(Q)$(B)/fccompose help --list | while read -r c; do \
		$(B)/fccompose help --man $$c > $(@D)/fccompose-$$(echo "$$c" | tr ' ' -).1 || exit 1; done
	$(Q)for s in bash zsh fish; do $(B)/fccompose completion $$s > $(@D)/completion.$$s || exit 1; done
	@touch $@

MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fccompose \
	$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_fccompose $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fccompose.fish

install: all $(B)/share/made
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/fccompose
	install -m 0755 $(B)/fccompose $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 include/fccompose/*.h $(DESTDIR)$(PREFIX)/include/fccompose/
	install -m 0644 $(B)/libfccompose.a $(DESTDIR)$(PREFIX)/lib/
	install -m 0755 $(B)/libfccompose.so $(DESTDIR)$(PREFIX)/lib/libfccompose.so.0
	ln -sf libfccompose.so.0 $(DESTDIR)$(PREFIX)/lib/libfccompose.so
	printf 'prefix=%s\nName: fccompose\nDescription: root file systems for microVMs\nVersion: %s\nRequires.private: %s\nLibs: -L$${prefix}/lib -lfccompose\nLibs.private: -lcom_err -lcrypt -ldl -pthread\nCflags: -I$${prefix}/include\n' \
		'$(PREFIX)' '$(VERSION)' '$(strip $(PKGS) $(ISAL))' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/fccompose.pc

	for e in $(sort $(dir $(wildcard examples/*/fccompose.yaml))); do \
		d=$(DESTDIR)$(PREFIX)/share/fccompose/$$e; install -d $$d && cp -r $$e/. $$d || exit 1; done
	install -d $(MANDIR) $(dir $(COMPLETIONS))
	install -m 0644 $(B)/share/*.1 $(MANDIR)/
	install -m 0644 $(B)/share/completion.bash $(word 1,$(COMPLETIONS))
	install -m 0644 $(B)/share/completion.zsh $(word 2,$(COMPLETIONS))
	install -m 0644 $(B)/share/completion.fish $(word 3,$(COMPLETIONS))

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/share/fccompose/examples
	rm -f $(MANDIR)/fccompose.1 $(MANDIR)/fccompose-*.1 $(COMPLETIONS)
	rm -f $(DESTDIR)$(PREFIX)/bin/fccompose $(DESTDIR)$(PREFIX)/lib/libfccompose.a $(DESTDIR)$(PREFIX)/lib/libfccompose.so \
		$(DESTDIR)$(PREFIX)/lib/libfccompose.so.0 $(DESTDIR)$(PREFIX)/lib/pkgconfig/fccompose.pc
	rm -rf $(DESTDIR)$(PREFIX)/include/fccompose

clean:
	rm -rf build build-*

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
