#!/usr/bin/env bash
# examples/gpu/bundle.sh -- packs a CUDA=1 build for a GPU machine on which nothing can be installed and nothing fetched.
#
#   [ORACLE=DIR] bundle.sh [--bin DIR] [--tests DIR] [--out DIR]
#
# OUT (build/gpu-bundle) then holds the tools and test programs with the libraries they need, tiny models (those of ORACLE
# with reference numbers, else made ones), and check.sh and bench.py; OUT.tar.xz is the same as one file.
#
# A program is started by a script of its name, which sets the library path for that program alone. The machine's own C++,
# OpenMP and gcc libraries go first where it has them: what the driver and CUDA load into the process may need newer ones
# than this machine's. The C library is the machine's, which must not be older than the one built with. CUDA's libraries and
# the driver are never packed.
set -euo pipefail
self=$(readlink -f "$0")
cd "$(dirname "$self")/../.."
bin=bin tests=build/cuda/tests/cuda out=build/gpu-bundle
while [ $# -ge 2 ]; do
    case $1 in
    --bin) bin=$2 ;; --tests) tests=$2 ;; --out) out=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { sed -n '4p' "$self" >&2; exit 2; }
tools="od-convert od-ref od-train od-sample od-inspect od-score od-eval"
own="linux-vdso|ld-linux|libc\.so|libm\.so|libpthread|libdl\.so|librt\.so|libcuda\.so|libcublas|libnvidia"
fallback="libstdc++.so.6 libgcc_s.so.1 libgomp.so.1"

for t in $tools; do
    [ -x "$bin/$t" ] || { echo "bundle: no $bin/$t: make CUDA=1 first" >&2; exit 1; }
done
grep -q cublasLt "$bin/od-train" || { echo "bundle: $bin/od-train is not of a CUDA build: make CUDA=1 first" >&2; exit 1; }

rm -rf "$out" "$out.tar.xz"
mkdir -p "$out"/bin "$out"/lib "$out"/libexec/tests "$out"/tests/oracle "$out"/data/models

# ---- programs --------------------------------------------------------------------------------------------------------
start_script() { # PATH-BELOW-OUT PROGRAM-BELOW-OUT
    mkdir -p "$(dirname "$out/$1")"
    cat >"$out/$1" <<END
#!/bin/sh
top=\$(dirname "\$(readlink -f "\$0")")/$(dirname "$1" | sed 's,[^/][^/]*,..,g')
path=\$top/lib
for l in $fallback; do
    for d in /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /lib64 /usr/lib none; do
        [ ! -e "\$d/\$l" ] || break
    done
    [ "\$d" != none ] || path=\$path:\$top/lib/fallback/\$l
done
LD_LIBRARY_PATH=\$path\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}:\${CUDA_HOME:-/usr/local/cuda}/lib64
export LD_LIBRARY_PATH
exec "\$top/$2" "\$@"
END
    chmod 755 "$out/$1"
}

for t in $tools; do
    cp "$bin/$t" "$out/libexec/$t"
    start_script "bin/$t" "libexec/$t"
done
n=0
while IFS= read -r f; do
    cp "$f" "$out/libexec/tests/"
    start_script "tests/programs/$(basename "$f")" "libexec/tests/$(basename "$f")"
    n=$((n + 1))
done < <(find "$tests" -type f -perm -u+x ! -name '*.*' 2>/dev/null | sort)
[ $n -gt 0 ] || echo "bundle: no test programs in $tests" >&2

# ---- libraries -------------------------------------------------------------------------------------------------------
find "$out/libexec" -type f -exec ldd {} + | awk '$2 == "=>" && $3 == "not" { print $1 > "/dev/stderr"; bad = 1 }
    $2 == "=>" && $3 ~ /^\// { print $1, $3 } END { exit bad }' | sort -u | grep -vE "^($own)" |
    while read -r name path; do
        case " $fallback " in
        *" $name "*) mkdir -p "$out/lib/fallback/$name" && cp -L "$path" "$out/lib/fallback/$name/$name" ;;
        *) cp -L "$path" "$out/lib/$name" ;;
        esac
    done
find "$out/lib" "$out/libexec" -type f -exec strip --strip-unneeded {} +

# ---- models and scripts ----------------------------------------------------------------------------------------------
given=${ORACLE:+$ORACLE/oracle/models}
if [ -n "$given" ] && [ -d "$given" ]; then
    for m in "$given"/*/; do
        ! grep -q '"pairs"' "$m/expected.json" 2>/dev/null || cp -rL "${m%/}" "$out/data/models/"
    done
else
    for family in llama qwen2 gemma2; do
        python3 tests/fixtures/make_model.py "$out/data/models/made-$family" --family $family
    done
fi
find "$out/data" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
cp tests/oracle/models.py tests/oracle/train.py "$out/tests/oracle/"
cp examples/gpu/check.sh examples/gpu/*.py examples/gpu/README.md "$out/"
cp examples/bench/common.py examples/bench/shapes.py examples/bench/torch_loop.py "$out/"

tar -C "$(dirname "$out")" --sort=name --owner=0 --group=0 --numeric-owner -cf - "$(basename "$out")" |
    xz -T0 -6 >"$out.tar.xz"
printf '%s: %s unpacked; %s.tar.xz: %s bytes; %d test programs, %d models\n' "$out" "$(du -sh "$out" | cut -f1)" "$out" \
    "$(stat -c %s "$out.tar.xz")" "$n" "$(find "$out/data/models" -name config.json | wc -l)"
