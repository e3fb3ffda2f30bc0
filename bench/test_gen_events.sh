#!/bin/sh
# What gen_events promises: the same bytes from the same seed, files in the
# order of their times, and a notebook in which no Close comes before its Open.
set -u

gen=./bench/gen_events
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n_failed=0

expect() { # NAME, then a command that must succeed
	name=$1
	shift
	if "$@" >"$dir/log" 2>&1; then
		echo "ok: $name"
	else
		echo "FAILED: $name"
		cat "$dir/log"
		n_failed=$((n_failed + 1))
	fi
}

notebook_in_order() {
	i=0
	while [ $i -lt 50 ]; do
		cat "$dir/nb/file-$i.json" && echo
		i=$((i + 1))
	done | awk '
		{
			if ($0 !~ /^\{"time":[0-9]+,"action":"(Open|Close)"\}$/) { print "line", NR, $0; exit 1 }
			split($0, part, /[:,]/)
			if (NR == 1 && part[2] != 1469501107) { print "first", $0; exit 1 }
			if (part[2] < last) { print "back in time at", NR; exit 1 }
			last = part[2]
			if ($0 ~ /Open/) opens++; else closes++
			if (closes > opens) { print "a Close too many at", NR; exit 1 }
		}
		END {
			if (opens != 50000 || closes != 50000) { print opens, closes; exit 1 }
			if (last - 1469501107 > 2.2 * 86400) { print "too long:", last; exit 1 }
		}'
}

files_by_time() { # the natural order is the order of modification
	ls -tr "$dir/nb" | awk '$0 != "file-" NR - 1 ".json" { print NR, $0; exit 1 } END { exit NR != 50 }'
}

no_final_newline() {
	for file in "$dir"/nb/*; do
		[ "$(tail -c 1 "$file")" = "}" ] && [ "$(wc -l <"$file")" = 1999 ] || return 1
	done
}

same_and_other_seed() {
	for shape in narrow wide; do
		"$gen" --set v3 --shape $shape --bytes 2MB --files 3 --malformed 1000 "$dir/$shape-a" &&
			"$gen" --set v3 --shape $shape --bytes 2MB --files 3 --malformed 1000 "$dir/$shape-b" &&
			"$gen" --set v3 --shape $shape --bytes 2MB --files 3 --seed 2 "$dir/$shape-c" || return 1
		diff -r "$dir/$shape-a" "$dir/$shape-b" || return 1
		! cmp -s "$dir/$shape-a/file-0.json" "$dir/$shape-c/file-0.json" || return 1
	done
}

lines_and_files() {
	"$gen" --set v4 --files 30 --lines 20 "$dir/small" || return 1
	[ "$(cat "$dir"/small/* | wc -l)" = 600 ] && [ "$(ls "$dir/small" | wc -l)" = 30 ]
}

a_hundred_actions() {
	n=$(cat "$dir"/narrow-c/* | sed 's/.*"action":"//; s/".*//' | sort -u | awk 'length < 4 || length > 20 { exit 1 } END { print NR }')
	[ "$n" = 100 ]
}

refused() { # with exit status 64
	"$gen" "$@"
	[ $? = 64 ]
}

expect "the notebook is made" "$gen" --notebook "$dir/nb"
expect "no Close of the notebook comes before its Open" notebook_in_order
expect "files are in the order of their times" files_by_time
expect "no file of the notebook ends in a newline" no_final_newline
expect "the same seed gives the same bytes and another one others" same_and_other_seed
expect "files and lines are as many as asked for" lines_and_files
expect "the hundred actions of v3 have 4 to 20 letters" a_hundred_actions
expect "a directory that is not empty is refused" refused "$dir/nb"
expect "an unknown set is refused" refused --set v9 "$dir/x"
expect "no directory is refused" refused --set v1
[ $n_failed = 0 ]
