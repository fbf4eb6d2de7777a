#!/usr/bin/env bash
# Every fuzz target for ten minutes under both sanitizers (FUZZ_SECONDS says otherwise).
. tests/cli/lib.sh
command -v clang >/dev/null || skip_all "clang is not installed"
for target in tests/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    MAKEFLAGS='' run_tool make --no-print-directory fuzz T="$name" SECONDS="${FUZZ_SECONDS:-600}"
    exit_is 0 "$name: nothing found"
    like "$out" 'stat::number_of_executed_units: [1-9]' "$name: it ran"
done
done_testing
