#!/usr/bin/env bash
# Mistakes planted in the CUDA kernels, one at a time: on the emulator, each must make a test fail. A mistake that goes
# unnoticed is a hole in the tests.
. tests/cli/lib.sh
build=${BUILD:-build/release}
CXX=${CXX:-c++}
export OD_TEST_QUICK=1
flags=(-std=c++17 -O1 -w -Wno-unknown-pragmas -fno-strict-aliasing)
objects() { # FLAVOUR: those of the emulator and of every kernel file but the mutated ones
    find "$build/$1/kernels/cuda" -name '*.o' | sort
}

# mutate NAME FLAVOUR TEST FILE PERL: the substitution must change FILE, and TEST must then fail.
mutate() {
    local name=$1 flavour=$2 test=$3 file=$4 change=$5 src objs=() o base status
    rm -rf "$T/k" "$T/t"
    mkdir -p "$T/k"
    cp -r kernels "$T/k/kernels"
    perl -0pi -e "$change" "$T/k/kernels/cuda/$file"
    if cmp -s "kernels/cuda/$file" "$T/k/kernels/cuda/$file"; then
        tap_result 1 "$name: the mistake could be planted" "nothing in $file is like $change"
        return
    fi
    for o in $(objects "$flavour"); do
        base=$(basename "$o" .o)
        src=$T/k/kernels/cuda/$base.cu
        case $file in
        "$base".cu | *.h) ;;
        *) src= ;;
        esac
        [[ $file == attn_*.h && $base != attn_* ]] && src=
        if [ -n "$src" ] && [ -e "$src" ]; then
            "$CXX" -x c++ "${flags[@]}" $([ "$flavour" = race ] && echo -fsanitize=thread -g) -I"$T/k/kernels/cuda/emu/include" \
                -I"$T/k/kernels/cuda" -I"$T/k/kernels" -Ilib -c -o "$T/$base.o" "$src" 2>"$T/cc" || {
                tap_result 1 "$name: it compiles" "$(head -5 "$T/cc")"
                return
            }
            objs+=("$T/$base.o")
        else
            objs+=("$o")
        fi
    done
    mkdir -p "$T/t/$flavour"
    "$CXX" -fopenmp -o "$T/t/$flavour/test" "$build/tests/cuda/$test.o" "${objs[@]}" "$build/libcli.a" "$build/libomnidpo.a" -lcmocka \
        $(pkg-config --libs jansson libarchive libpcre2-8 libutf8proc icu-uc libcrypto) -ldnnl -lm 2>"$T/cc" || {
        tap_result 1 "$name: it links" "$(head -5 "$T/cc")"
        return
    }
    timeout 250 "$T/t/$flavour/test" >"$T/out" 2>&1
    status=$?
    rm -f "$T"/*.o
    [ $status -ne 0 ]
    tap_result $? "$name: noticed" "$test passed ($flavour)"
    grep -m1 -hE 'race|barrier|deadlock|emulator|error:|ERROR' "$T/out" | sed 's/^/# /' | cut -c1-160
}

[ -e "$build/emu/kernels/cuda/norm.o" ] || skip_all "the emulator is not built"
command -v perl >/dev/null || skip_all "perl is not installed"

mutate "a missing barrier in the block's sum" emu ops/test_ops device.h \
    's/(part\[threadIdx\.x \/ WARP\] = x;\s+)__syncthreads\(\);(\s+for \(int i = 0)/$1$2/'
mutate "half of a block's warps left out of a sum" emu ops/test_ops norm.cu 's/block_sum<double, THREADS>/block_sum<double, THREADS \/ 2>/'
mutate "a warp's sum without its last step" emu ops/test_ops device.h 's/k > 0; k \/= 2\)\s+x \+=/k > 1; k \/= 2)\n\t\tx +=/'
mutate "one row too far" emu ops/test_ops rows.cu 's/rows\[p\.row\]\), i\)/rows[p.row] + 1), i)/'
mutate "a wrong stride" emu ops/test_ops launch.h 's/data \+ r \* ld/data + r * (ld - 1)/'
mutate "the last column of a piece left out" emu ops/test_ops launch.h 's/i < \(p\)\.to; i/i + 1 < (p).to; i/'
mutate "every block adds its token's row to the table, not the first alone" race ops/test_ops rows.cu \
    's/if \(find_token\(ids, 0, first, id, found\) < first\)\s+return;//'
mutate "sums read by another warp without a barrier" race ops/test_ops norm.cu \
    's/(sums\[threadIdx\.x\] = sum;\s+)__syncthreads\(\);/$1/'
mutate "tokens counted from the wrong one" emu ops/test_ops norm.cu 's/first = blockIdx\.y \* slab/first = blockIdx.y * slab + 1/'
mutate "a tile's sum not brought to the new maximum" emu ops/test_head head.cu 's/s\.sum\[r\] \* exp\(\(double\)old - \(double\)max\)/s.sum[r]/'
mutate "a panel's rows written one tile too far" emu ops/test_head head.cu 's/\(row - from\) \* TILE/(row - from + 1) * TILE/'
mutate "the head's gradient without the target" emu ops/test_head head.cu 's/g \+= coef\[e\];//'
mutate "a query sees one key of the future" emu ops/test_attention attn_walk.inc.h 's/upto = qpos - k\.pos \+ 1/upto = qpos - k.pos + 2/'
mutate "keys used before their copy has arrived" emu ops/test_attention attn_fwd.cu 's/cp_async_wait<0>\(\);/cp_async_wait<1>();/'
mutate "a stage overwritten while others still read it" race ops/test_attention attn_bwd.cu \
    's/cp_async_wait<0>\(\);\s+__syncthreads\(\);/cp_async_wait<0>();/'
mutate "a tail's keys without the parent's last tile" emu ops/test_attention attn_walk.inc.h \
    's/n_parent = \(t\.parent_len \+ N - 1\) \/ N/n_parent = t.parent_len \/ N/'
mutate "factors transposed" emu ops/test_ops blas.cu 's/k\.op_a = trans_b \?/k.op_a = !trans_b ?/'
mutate "the second moment without its root" emu ops/test_ops optim.cu 's/sqrtf\(vi\.v\[k\]\)/vi.v[k]/'
mutate "products go on reading the old weights" emu unit/model_cuda optim.cu 's/stn<N>\(copy, i, wi\);/stn<N>(copy, i, gi);/'
done_testing
