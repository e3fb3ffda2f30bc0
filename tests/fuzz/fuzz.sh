#!/bin/sh
# Every fuzz target in turn, for FUZZ_SECONDS (default 600) each: by libFuzzer
# where the tree was configured with --enable-fuzzers, else over changed copies
# of the stored corpus. What is found stays in tests/fuzz/found-NAME.
#
# Usage: tests/fuzz/fuzz.sh [--long] [NAME]…     (event http pg reader scan session sql)
set -eu

build=${top_builddir:-.}/tests/fuzz
source=$(dirname "$0")
seconds=${FUZZ_SECONDS:-600}
[ "${1-}" != --long ] || shift
[ $# -gt 0 ] || set -- event http pg reader scan session sql

for name; do
	if [ -x "$build/fuzz_$name" ]; then
		new=$(mktemp -d)
		trap 'rm -rf "$new"' EXIT
		"$build/fuzz_$name" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 \
			-max_len=4096 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix="$build/found-$name-" "$new" "$source/corpus-$name"
		rm -rf "$new"
	else
		end=$(($(date +%s) + seconds))
		seed=1
		while [ "$(date +%s)" -lt "$end" ]; do
			seed=$((seed + 1))
			"$build/test_fuzz_$name" --seed "$seed" --changes 50 "$source/corpus-$name"
		done
	fi
	echo "fuzz_$name: nothing found in $seconds seconds"
done
