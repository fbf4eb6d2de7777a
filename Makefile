# omni-dpo: preference optimisation as Unix tools. `make help` lists the targets.
# Settings may be put in config.mk (not tracked): CC, CFLAGS, PREFIX, CUDA, MPI, SANITIZE.
-include config.mk

VERSION  := 0.1.0
PREFIX   ?= /usr/local
DESTDIR  ?=
CC       ?= cc
SANITIZE ?=
CUDA     ?= 0
V        ?= 0
T        ?=
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
ORACLE   ?=
SECONDS  ?= 60
FUZZ     ?=

# Ranks of od-train (mpirun -n N od-train): MPI=auto takes what pkg-config or mpicc finds, 1 insists, 0 leaves it out.
MPI      ?= auto
MPI_FLAGS := $(if $(filter 0,$(MPI)),,$(shell pkg-config --silence-errors --cflags --libs ompi-c || pkg-config --silence-errors --cflags --libs mpich || mpicc --showme 2>/dev/null | cut -d' ' -f2-))
ifeq ($(MPI):$(strip $(MPI_FLAGS)),1:)
$(error MPI=1: neither pkg-config (ompi-c, mpich) nor mpicc finds an MPI; on Debian: libopenmpi-dev openmpi-bin)
endif
MPI_LIBS := $(filter -L% -l% -Wl%,$(MPI_FLAGS))
MPI_INCLUDES := $(filter-out $(MPI_LIBS),$(MPI_FLAGS))

comma    := ,
VARIANT  := $(if $(FUZZ),fuzz,$(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)),$(if $(filter-out 0,$(CUDA)),cuda,release)))
BUILD    := build/$(VARIANT)
BIN      := $(if $(filter release cuda,$(VARIANT)),bin,$(BUILD)/bin)

PACKAGES := jansson libarchive libpcre2-8 libutf8proc icu-uc libcrypto libcurl yaml-0.1
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wpointer-arith
CPPFLAGS += -Ilib -Itools -I. -Ikernels -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DOD_VERSION='"$(VERSION)"'
CPPFLAGS += $(if $(MPI_FLAGS),-DOD_MPI)
CFLAGS   ?= -O2 -g
OPENMP   := $(if $(FUZZ),-Wno-unknown-pragmas,-fopenmp)
ALL_CFLAGS = -std=c11 $(WARN) $(CFLAGS) $(OPENMP) -ffile-prefix-map=$(CURDIR)=. \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1)
# (--as-needed: only the tools that ask a service load libcurl and what it brings.)
LDLIBS   += -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES) 2>/dev/null || echo -ljansson -larchive -lpcre2-8 -lutf8proc -licuuc -lcrypto -lcurl -lyaml) -lcld2 -ldnnl -lm
ALL_LDFLAGS = $(LDFLAGS) $(OPENMP) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# The CUDA sources: by nvcc into a CUDA=1 build; and by the host's C++ compiler, on the emulator of kernels/cuda/emu, for tests.
CXX      ?= c++
NVCC     ?= nvcc
CUDA_ARCH ?= 80 90 100
ifneq ($(filter-out 0,$(CUDA)),)
ifeq ($(shell command -v $(NVCC)),)
$(error CUDA=$(CUDA) needs the CUDA toolkit: no '$(NVCC)' on the PATH)
endif
endif
CU_SRC   := $(sort $(wildcard kernels/cuda/*.cu))
EMU_SRC  := $(filter-out %/race.cpp,$(sort $(wildcard kernels/cuda/emu/*.cpp)))
CU_OBJ   := $(if $(filter-out 0,$(CUDA)),$(CU_SRC:%.cu=$(BUILD)/%.o))
EMU_OBJ  := $(CU_SRC:%.cu=$(BUILD)/emu/%.o) $(EMU_SRC:%.cpp=$(BUILD)/emu/%.o)
RACE_OBJ := $(CU_SRC:%.cu=$(BUILD)/race/%.o) $(EMU_SRC:%.cpp=$(BUILD)/race/%.o) $(BUILD)/race/kernels/cuda/emu/race.o

# (Fuzz targets read files; they are built without the kernels, whose OpenMP clang has no runtime for.)
LIB_SRC  := $(sort $(filter-out $(if $(MPI_FLAGS),,%_mpi.c),$(wildcard lib/*/*.c)) $(wildcard $(if $(FUZZ),,kernels/*.c kernels/ref/*.c kernels/cpu/*.c)))
CLI_SRC  := $(sort $(wildcard tools/common/*.c))
TOOLS    := $(sort $(patsubst tools/%.c,%,$(wildcard tools/od-*.c)))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c tests/ops/test_*.c))
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SRC))
# The tests of operations and of the model again, for the CUDA backend: on the emulator, plain and with its race checker, and
# in a CUDA=1 build on a GPU.
CUDA_TEST_SRC := $(sort $(wildcard tests/ops/test_*.c) tests/unit/model_cuda.c)
EMU_TESTS  := $(patsubst tests/%.c,$(BUILD)/tests/emu/%,$(CUDA_TEST_SRC)) $(BUILD)/tests/emu/test_emu $(BUILD)/tests/emu/test_emu_bugs
RACE_TESTS := $(patsubst $(BUILD)/tests/emu/%,$(BUILD)/tests/race/%,$(EMU_TESTS))
CUDA_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/cuda/%,$(CUDA_TEST_SRC) tests/ops/bench_cuda.c)
FUZZERS  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
BENCHES  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out %_cuda.c,$(sort $(wildcard tests/ops/bench_*.c))))
SCRIPTS  := $(sort $(shell find tests -name '*.t' ! -path 'tests/oracle/*' ! -path 'tests/long/*' ! -path 'tests/mutations/*'))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(patsubst %.cpp,$(BUILD)/%.o,$(sort $(wildcard lib/*/*.cpp)))
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
$(BUILD)/kernels/cpu/%.o: ALL_CFLAGS += -O3 -ffp-contract=fast
ifneq (,$(findstring x86_64,$(shell $(CC) -dumpmachine)))
$(BUILD)/kernels/cpu/%_avx512.o: ALL_CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma
$(BUILD)/kernels/cpu/%_avx512bf16.o: ALL_CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma
$(BUILD)/kernels/cpu/%_amx.o: ALL_CFLAGS += -mamx-tile -mamx-bf16 -mavx512f -mavx512bw -mavx512vl -mavx512bf16 -mfma
$(BUILD)/kernels/cpu/%_avx2.o: ALL_CFLAGS += -mavx2 -mfma
endif
$(BUILD)/kernels/ref/%.o: ALL_CFLAGS += -ffp-contract=off

# ---- CUDA and its emulator -------------------------------------------------------------------------------------------
NVCCFLAGS ?= -O3
GENCODE    = $(foreach a,$(CUDA_ARCH),-gencode arch=compute_$(a),code=sm_$(a))
$(BUILD)/kernels/cuda/%.o: kernels/cuda/%.cu $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  NVCC $<"
	$(Q)$(NVCC) -std=c++17 $(NVCCFLAGS) $(GENCODE) -Ikernels/cuda -Ikernels -Ilib -MMD -MF $(@:.o=.d) -c -o $@ $<

EMU_FLAGS = -std=c++17 -Wall -Wextra -Wno-unknown-pragmas -fno-strict-aliasing -Ikernels/cuda/emu/include -Ikernels/cuda -Ikernels -Ilib $(CFLAGS) \
            -ffile-prefix-map=$(CURDIR)=. -MMD -MP -c
EMU_SAN   = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1)
$(BUILD)/emu/%.o: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  EMU $<"
	$(Q)$(CXX) -x c++ $(EMU_FLAGS) $(EMU_SAN) -o $@ $<
$(BUILD)/emu/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  EMU $<"
	$(Q)$(CXX) $(EMU_FLAGS) $(EMU_SAN) -o $@ $<
$(BUILD)/emu/kernels/cuda/emu/blas_emu.o: CFLAGS += -O3

# Kernels with their loads and stores reported to race.cpp; the emulator itself without.
$(BUILD)/race/%.o: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  RACE $<"
	$(Q)$(CXX) -x c++ $(EMU_FLAGS) -fsanitize=thread -o $@ $<
$(BUILD)/race/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(EMU_FLAGS) -o $@ $<

# MPI is od-train's alone: nothing else is linked with it.
$(BUILD)/lib/train/ranks_mpi.o: CPPFLAGS += $(MPI_INCLUDES)
$(BIN)/od-train $(BUILD)/emu/bin/od-train: LDLIBS += $(MPI_LIBS)

# Asked once: are the libraries there at all?
HEADERS := jansson.h archive.h pcre2.h utf8proc.h unicode/ubrk.h openssl/evp.h curl/curl.h yaml.h dnnl.h
CXX_HEADERS := cstdio cld2/public/compact_lang_det.h
$(BUILD)/headers: Makefile | $(BUILD)/flags
	@for h in $(HEADERS); do echo "#define PCRE2_CODE_UNIT_WIDTH 8"; echo "#include <$$h>"; done \
		| $(CC) $(CPPFLAGS) -fsyntax-only -x c - 2>$(BUILD)/headers.err \
		&& for h in $(CXX_HEADERS); do echo "#include <$$h>"; done \
		| $(CXX) $(CPPFLAGS) -fsyntax-only -x c++ - 2>$(BUILD)/headers.err \
		|| { sed -n 's/.*fatal error: //p' $(BUILD)/headers.err; \
		     echo "a library is missing: run 'make deps' (it names or installs what is needed)"; exit 1; } >&2
	@touch $@

$(BUILD)/%.o: %.c $(BUILD)/flags | $(BUILD)/headers
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# A library that has C++ names only is called by a file of a few lines, which needs nothing else of C++.
CXX_SAN = $(if $(FUZZ),,$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer))
$(BUILD)/lib/%.o: lib/%.cpp $(BUILD)/flags | $(BUILD)/headers
	@mkdir -p $(@D)
	@echo "  CXX $<"
	$(Q)$(CXX) -std=c++17 -Wall -Wextra -fno-exceptions -fno-rtti $(CPPFLAGS) $(CFLAGS) $(CXX_SAN) -ffile-prefix-map=$(CURDIR)=. -MMD -MP -c -o $@ $<

$(BUILD)/libomnidpo.a: $(LIB_OBJ)
	@rm -f $@
	$(Q)ar Dcr $@ $^

# What tools share is an archive too: each takes only the option groups it uses.
$(BUILD)/libcli.a: $(CLI_OBJ)
	@rm -f $@
	$(Q)ar Dcr $@ $^

.SECONDEXPANSION:
$(BIN)/%: $$(call tool_obj,%) $(CU_OBJ) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a $(BUILD)/in-bin
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LDLIBS) $(if $(CU_OBJ),$(CUDA_LIBS))

# What lies in bin/ is of one variant: another one links it again.
$(BUILD)/in-bin: FORCE
	@mkdir -p build $(BUILD)
	@test -e $@ && test "$$(cat build/in-bin 2>/dev/null)" = $(VARIANT) || { echo $(VARIANT) > build/in-bin; touch $@; }

CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(shell command -v $(NVCC)))
CUDA_LIBS  = -L$(CUDA_HOME)/lib64 -lcudart_static -lstdc++ -ldl -lrt -lpthread

# The tools over the emulator: build/.../emu/bin, for the reference cases.
$(BUILD)/emu/bin/%: $$(call tool_obj,%) $(EMU_OBJ) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/cuda/%.o: tests/%.c $(BUILD)/flags | $(BUILD)/headers
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -DOD_TEST_CUDA -MMD -MP -c -o $@ $<
$(BUILD)/tests/cuda/%: $(BUILD)/tests/cuda/%.o $(CU_OBJ) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS) $(CUDA_LIBS)
$(BUILD)/tests/emu/%: $(BUILD)/emu/tests/cuda/%.o $(EMU_OBJ) $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/emu/%: $(BUILD)/tests/cuda/%.o $(EMU_OBJ) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(BUILD)/race/tests/cuda/%.o: tests/cuda/%.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(EMU_FLAGS) -fsanitize=thread -o $@ $<
$(BUILD)/tests/race/%: $(BUILD)/race/tests/cuda/%.o $(RACE_OBJ) $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/race/%: $(BUILD)/tests/cuda/%.o $(RACE_OBJ) $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libcli.a $(BUILD)/libomnidpo.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# A fuzz target is linked with a plain driver that replays files, or, by `make fuzz`, with libFuzzer.
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(if $(FUZZ),,$(BUILD)/tests/fuzz/driver.o) $(BUILD)/libomnidpo.a
	$(Q)$(CC) $(ALL_LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $^ $(LDLIBS)

# (Fuzzing and the race checker want instrumentation of their own.)
EMU_TOOLS := $(patsubst %,$(BUILD)/emu/bin/%,od-ref od-train od-eval od-inspect)
EMU_CHECK := $(if $(FUZZ)$(CU_OBJ),,$(EMU_TESTS) $(if $(SANITIZE),,$(RACE_TESTS)))
DEVICE_TESTS := $(if $(CU_OBJ),$(CUDA_TESTS),$(EMU_CHECK) $(if $(FUZZ)$(SANITIZE),,$(EMU_TOOLS)))
tests: $(TESTS) $(FUZZERS) $(BENCHES) $(DEVICE_TESTS) ;@:
fuzzers: $(FUZZERS)

# ---- checking --------------------------------------------------------------------------------------------------------
RUN = $(if $(SANITIZE),OD_TEST_QUICK=1) BIN="$(abspath $(BIN))" BUILD="$(abspath $(BUILD))" CC="$(CC)" tests/run -j $(JOBS) -l $(BUILD)/logs $(if $(T),-m '$(T)')

check: deps
	@$(MAKE) --no-print-directory all tests
	@$(RUN) $(TESTS) $(FUZZERS) $(EMU_CHECK) $(SCRIPTS)

# The large reference cases; ORACLE is a folder that holds them.
check-oracle: all tests
	@test -n "$(ORACLE)" && test -d "$(ORACLE)" || { echo "check-oracle: say where the cases are: ORACLE=DIR" >&2; exit 2; }
	@ORACLE="$(abspath $(ORACLE))" SMOLLM2="$(abspath $(wildcard .cache/smollm2))" $(RUN) -t 1200 $(sort $(wildcard tests/oracle/*.t tests/oracle/*.py))

# Mistakes planted in the kernels, each of which the tests must notice: some minutes.
check-mutations: all tests
	@$(RUN) -t 3000 tests/mutations/cuda.t

# What takes too long for every change: an hour or so.
check-long: all tests
	@$(RUN) -t 10000 $(sort $(wildcard tests/long/*.t))

# libFuzzer under ASan and UBSan; T=jsonl picks targets, what it finds stays in build/fuzz.
fuzz:
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang FUZZ=1 SANITIZE=fuzzer-no-link,address,undefined fuzzers
	@set -e; for f in $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c))); do \
		case $$f in *$(T)*) ;; *) continue ;; esac; \
		mkdir -p build/fuzz/found/$$f; echo "== $$f, $(SECONDS) s"; \
		build/fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
			-artifact_prefix=build/fuzz/$$f- build/fuzz/found/$$f tests/fuzz/corpus/$$f 2>&1 | \
			{ grep -E '^(==|#[0-9]+.DONE|stat::(number|slowest|peak)|SUMMARY|artifact)|ERROR' || true; }; \
		if ls build/fuzz/$$f-* 2>/dev/null; then exit 1; fi; done

lint-man:
	@set -e; for p in $(sort $(wildcard man/*.[157])); do mandoc -T lint -W warning $$p; done; echo "manual: no warnings"

# Speed of each operation of the backend, a JSON line each.
bench-ops: $(BUILD)/tests/ops/bench_ops
	@$(BUILD)/tests/ops/bench_ops

# Everything measured on this machine, in turns: examples/bench/README.md. PYTHON names an interpreter that has torch.
OUT   ?= build/bench
REPS  ?= $(if $(QUICK),2,5)
BENCH ?=
bench: all $(BENCHES)
	@examples/bench/bench.py --bin "$(abspath $(BIN))" --tests "$(abspath $(BUILD))/tests" --out "$(OUT)" --reps $(REPS) \
		$(if $(PYTHON),--python $(PYTHON)) $(if $(QUICK),--quick) $(BENCH)

# ---- on a GPU: examples/gpu/README.md ---------------------------------------------------------------------------------
# Everything a bare GPU machine needs, as one file: build/gpu-bundle.tar.xz. CUDA_ARCH=90 makes it smaller and sooner.
gpu-bundle:
	@$(MAKE) --no-print-directory CUDA=1 all tests
	@ORACLE="$(ORACLE)" examples/gpu/bundle.sh
gpu-check:
	@$(MAKE) --no-print-directory CUDA=1 all tests
	@examples/gpu/check.sh --bin "$(abspath bin)" --tests "$(abspath build/cuda/tests/cuda)" $(if $(ORACLE),--data "$(abspath $(ORACLE)/oracle)")
gpu-bench:
	@$(MAKE) --no-print-directory CUDA=1 all
	@examples/gpu/bench.py --bin "$(abspath bin)" $(if $(PYTHON),--python $(PYTHON))

# ---- trying ----------------------------------------------------------------------------------------------------------
# The main job with nothing fetched: a small model from scratch, its own answers, every method (examples/arith/README.md).
demo: deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory -C examples/arith BIN="$(abspath $(BIN))" CC="$(CC)" demo

# The main job on a real model, SmolLM2-135M-Instruct: PAIRS=FILE SCORE=OPTIONS EVAL=FILE LIMIT= ... (examples/smollm2/run).
demo-smollm2: deps
	@$(MAKE) --no-print-directory all
	@BIN="$(abspath $(BIN))" examples/smollm2/run

# ---- installing ------------------------------------------------------------------------------------------------------
MAN1 = $(wildcard man/*.1)
MAN5 = $(wildcard man/*.5)
MAN7 = $(wildcard man/*.7)
MANDIR ?= $(PREFIX)/share/man

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(TOOLS:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	$(if $(MAN1),install -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1)
	$(if $(MAN5),install -m 644 $(MAN5) $(DESTDIR)$(MANDIR)/man5)
	$(if $(MAN7),install -m 644 $(MAN7) $(DESTDIR)$(MANDIR)/man7)

uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(PREFIX)/bin/%) $(MAN1:man/%=$(DESTDIR)$(MANDIR)/man1/%) \
		$(MAN5:man/%=$(DESTDIR)$(MANDIR)/man5/%) $(MAN7:man/%=$(DESTDIR)$(MANDIR)/man7/%)

# Debian and Ubuntu packages: what the build needs, then what the tests, demo and plots use besides.
DEPS := gcc g++ libc6-dev make pkg-config libjansson-dev libarchive-dev libdnnl-dev libpcre2-dev libutf8proc-dev libicu-dev libssl-dev libcurl4-openssl-dev libcld2-dev libyaml-dev \
        libopenmpi-dev openmpi-bin libcmocka-dev mandoc gnuplot-nox|gnuplot-qt|gnuplot-x11 parallel jq zstd perl python3

deps:
	@if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then \
		test -e $(BUILD)/headers || $(MAKE) --no-print-directory $(BUILD)/headers >/dev/null 2>&1 || { \
		echo "make deps: no apt here; install what your system calls these: $(foreach p,$(DEPS),$(firstword $(subst |, ,$(p))))"; }; exit 0; fi; \
	have=$$(dpkg-query -W -f '$${Package} $${Status}\n' $(subst |, ,$(foreach p,$(DEPS),'$(subst |,' ',$(p))')) 2>/dev/null | sed -n 's/ install ok installed//p'); \
	missing=; for p in $(foreach p,$(DEPS),'$(p)'); do \
		printf '%s\n' "$$have" | grep -qxF "$$(printf %s "$$p" | tr '|' '\n')" || missing="$$missing $${p%%|*}"; done; \
	test -n "$$missing" || exit 0; \
	echo "installing:$$missing"; \
	sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	{ $$sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -q -y --no-install-recommends $$missing; } || { \
		echo "make deps: could not install them; as root: apt-get install$$missing" >&2; exit 1; }

clean:
	rm -rf build bin examples/arith/build

help:
	@echo "make               build the tools into bin/"
	@echo "make deps          install what the build and the tests need (Debian, Ubuntu); elsewhere name it"
	@echo "make check         build and run every test; T=pattern picks, SANITIZE=address,undefined instruments"
	@echo "make check-oracle  the large reference cases, ORACLE=DIR"
	@echo "make check-mutations   plants mistakes in the CUDA kernels, each of which a test must notice"
	@echo "make check-long    ten minutes of fuzzing for every format; a million records"
	@echo "make fuzz          libFuzzer on every format, SECONDS=60 each; T=name picks one"
	@echo "make demo          the main job in little: a model from scratch, its answers scored, every method compared; no download"
	@echo "make demo-smollm2  the main job on SmolLM2-135M-Instruct; PAIRS=FILE takes your own pairs"
	@echo "make bench         speed and memory beside PyTorch (PYTHON=), the machine's ceiling; QUICK=1 tries it; bench-ops alone"
	@echo "make CUDA=1        with the CUDA kernels too; gpu-check and gpu-bench on a GPU, gpu-bundle packs them for one"
	@echo "make lint-man      check the manual pages"
	@echo "make install       PREFIX=/usr/local DESTDIR=; make uninstall takes it back"
	@echo "variables          CC CFLAGS SANITIZE CUDA=0 CUDA_ARCH='80 90 100' MPI=auto V=1, also from config.mk"

FORCE:
.PHONY: all tests fuzzers check check-oracle check-long check-mutations fuzz lint-man bench bench-ops gpu-bundle gpu-check gpu-bench demo demo-smollm2 install uninstall deps clean help FORCE
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
