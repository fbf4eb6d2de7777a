# omni-dpo: preference optimisation as Unix tools. `make help` lists the targets.
# Settings may be put in config.mk (not tracked): CC, CFLAGS, PREFIX, CUDA, SANITIZE.
-include config.mk

VERSION  := 0.1.0
PREFIX   ?= /usr/local
DESTDIR  ?=
CC       ?= cc
SANITIZE ?=
CUDA     ?= 0
V        ?= 0

VARIANT  := $(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)),release)
comma    := ,
BUILD    := build/$(VARIANT)
BIN      := $(if $(SANITIZE),$(BUILD)/bin,bin)

PACKAGES := jansson libarchive libpcre2-8 libutf8proc libcrypto
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wpointer-arith
CPPFLAGS += -Ilib -Itools -I. -Ikernels -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DOD_VERSION='"$(VERSION)"'
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) -fopenmp -ffile-prefix-map=$(CURDIR)=. \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -O1)
LDLIBS   += $(shell pkg-config --libs $(PACKAGES) 2>/dev/null || echo -ljansson -larchive -lpcre2-8 -lutf8proc -lcrypto) -ldnnl -lm
ALL_LDFLAGS = $(LDFLAGS) -fopenmp $(if $(SANITIZE),-fsanitize=$(SANITIZE))

LIB_SRC  := $(sort $(wildcard lib/*/*.c kernels/*.c kernels/ref/*.c kernels/cpu/*.c))
CLI_SRC  := $(sort $(wildcard tools/common/*.c))
TOOLS    := $(sort $(patsubst tools/%.c,%,$(wildcard tools/od-*.c)))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c tests/ops/test_*.c))
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SRC))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/%.o)
# A tool od-x may be split over tools/od-x.c and tools/x/*.c.
tool_obj  = $(BUILD)/tools/$(1).o $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tools/$(patsubst od-%,%,$(1))/*.c)))

Q := $(if $(filter 1,$(V)),,@)

all: $(TOOLS:%=$(BIN)/%)

# Every object depends on the compile command, so that a change of flags rebuilds.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(CPPFLAGS) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CPPFLAGS) $(ALL_CFLAGS)' > $@

# Kernels are the only files compiled with more than -O2; each instruction set has its own file (see kernels/cpu).
$(BUILD)/kernels/cpu/%.o: ALL_CFLAGS += -O3
$(BUILD)/kernels/cpu/%_avx512.o: ALL_CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma
$(BUILD)/kernels/cpu/%_avx2.o: ALL_CFLAGS += -mavx2 -mfma
$(BUILD)/kernels/ref/%.o: ALL_CFLAGS += -ffp-contract=off

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libomnidpo.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)ar Dcr $@ $^

# What tools share is an archive too: each takes only the option groups it uses.
$(BUILD)/libcli.a: $(CLI_OBJ)
	@rm -f $@
	$(Q)ar Dcr $@ $^

.SECONDEXPANSION:
$(BIN)/%: $$(call tool_obj,%) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

tests: $(TESTS)

clean:
	rm -rf build bin

FORCE:
.PHONY: all tests clean FORCE
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
