#!/usr/bin/env bash
# `make install` puts tools and pages where PREFIX and DESTDIR say, and `make uninstall` takes every file back.
. tests/cli/lib.sh
[ -z "${SANITIZE:-}" ] || skip_all "release builds only"
make="make -s --no-print-directory DESTDIR=$T/root PREFIX=/opt/od"
MAKEFLAGS='' run_tool $make install
exit_is 0 "make install"
for tool in tools/od-*.c; do
    tool=$(basename "$tool" .c)
    ok "$tool is there and runs" bash -c "$T/root/opt/od/bin/$tool --version >/dev/null"
    [ ! -e "man/$tool.1" ] || ok "so is its page" test -s "$T/root/opt/od/share/man/man1/$tool.1"
done
ok "the other sections too" test -s "$T/root/opt/od/share/man/man7/omnidpo.7" -a -s "$T/root/opt/od/share/man/man5/od-jsonl.5"
MAKEFLAGS='' run_tool $make uninstall
exit_is 0 "make uninstall"
is "$(find "$T/root" -type f)" "" "nothing is left"

MAKEFLAGS='' run_tool make -s CUDA=1 NVCC=no-such-nvcc
exit_is 2 "CUDA=1 without a compiler for it is refused"
like "$err" "needs the CUDA toolkit: no 'no-such-nvcc' on the PATH" "and says why"
done_testing
