#!/usr/bin/env bash
# Includes point one way: tools -> lib, each folder using only those before it in ORDER -> kernels/backend.h.
# kernels and tools stand on lib/base and may not be included from lib (but for the one door).
set -u
ORDER=(base io stats text grade model pref score train bench)
bad=0 n=0

rank() { local i; for i in "${!ORDER[@]}"; do [ "${ORDER[$i]}" = "$1" ] && { echo "$i"; return; }; done; echo -1; }

complain() { echo "# $1 includes \"$2\": $3"; bad=$((bad + 1)); }

check() { # FILE INCLUDED
    local file=$1 inc=$2 top dir mine theirs
    n=$((n + 1))
    case $file in tools/*) return ;; esac
    [ -e "$(dirname "$file")/$inc" ] && [[ $inc != */* ]] && return   # its own folder
    top=${inc%%/*}
    case $file in
    kernels/*)
        case $inc in base/* | kernels/* | backend.h | ops.def | cpu/* | ref/* | cuda/* | emu/*) ;; *) complain "$file" "$inc" "kernels use lib/base only" ;; esac ;;
    lib/*)
        dir=${file#lib/}; dir=${dir%%/*}
        mine=$(rank "$dir") theirs=$(rank "$top")
        if [ "$mine" -lt 0 ]; then complain "$file" "$inc" "folder lib/$dir is not in the order"
        elif [ "$inc" = kernels/backend.h ]; then :
        elif [ "$theirs" -lt 0 ]; then complain "$file" "$inc" "not a folder of lib"
        elif [ "$theirs" -gt "$mine" ]; then complain "$file" "$inc" "lib/$top stands after lib/$dir"
        fi ;;
    esac
}

while IFS=: read -r file inc; do
    check "$file" "$inc"
done < <({ grep -rHoE --include='*.[ch]' --include='*.cu' --include='*.def' '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+"' lib kernels tools
    grep -rHoE --include='*.cpp' '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]+"' lib; } |
    sed -E 's/^([^:]*):.*"([^"]+)".*/\1:\2/')

echo 1..2
[ "$n" -gt 20 ] && echo "ok 1 - $n includes read" || echo "not ok 1 - only $n includes found: the pattern is broken"
[ $bad = 0 ] && echo "ok 2 - all point one way" || echo "not ok 2 - $bad point the wrong way"
[ $bad = 0 ]
