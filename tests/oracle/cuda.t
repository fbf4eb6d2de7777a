#!/usr/bin/env bash
# The reference models end to end on the emulated GPU: log-probs, pairs, gradients and updates, by the scripts that check the
# processor.
. tests/cli/lib.sh
export BIN=${BUILD:-build/release}/emu/bin OD_DEVICE=cuda OD_DTYPE=fp32
[ -x "$BIN/od-train" ] || skip_all "the tools over the emulator are not built"
export PYTHONDONTWRITEBYTECODE=1
for script in models train; do
    run_tool python3 "tests/oracle/$script.py"
    exit_is 0 "$script.py on the emulated GPU"
    is "$(grep -c '^not ok' "$T/out")" 0 "$script.py: every point"
    ok "$script.py: $(grep -c '^ok' "$T/out") points" test "$(grep -c '^ok' "$T/out")" -ge 29
    grep '^not ok' "$T/out" | sed 's/^/# /'
done
done_testing
