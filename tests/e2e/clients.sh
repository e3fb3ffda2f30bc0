#!/bin/sh
# Fetches one kind of client for the end-to-end tests, once, into a directory of its own, and
# prints where it is. Without a network, or without the tools the kind needs, it says why on
# standard error and ends with 77; the tests that want it are then skipped.
#
#   clients.sh python|node|java|go|jdbc
#
# The place is $TALLYD_CLIENTS, or else tallyd-clients in the user's cache directory.
set -u

kind=${1:?"usage: clients.sh python|node|java|go|jdbc"}
source=$(cd "$(dirname "$0")/clients" && pwd) || exit 1
cache=${TALLYD_CLIENTS:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/tallyd-clients}
place=$cache/$kind
log=$cache/$kind.log

skip() {
	echo "$*" >&2
	exit 77
}

need() {
	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

run() {
	timeout 300 "$@" >>"$log" 2>&1 || skip "cannot fetch the clients for $kind: see $log"
}

fetch_python() {
	need python3
	run python3 -m venv "$place"
	run "$place/bin/pip" install 'psycopg[binary]' psycopg2-binary asyncpg pg8000
}

fetch_node() {
	need node npm
	mkdir -p "$place"
	run npm --prefix "$place" install --no-fund --no-audit pg pg-cursor
}

fetch_java() {
	need javac java mvn
	mkdir -p "$place"
	run mvn -q "-Dmaven.repo.local=$cache/m2" dependency:copy \
		-Dartifact=org.postgresql:postgresql:42.7.4 "-DoutputDirectory=$place"
}

# Drivers alone, for programs in Java that are not ours.
fetch_jdbc() {
	need java mvn
	mkdir -p "$place"
	for artifact in org.postgresql:postgresql:42.7.4 org.xerial:sqlite-jdbc:3.46.1.3; do
		run mvn -q "-Dmaven.repo.local=$cache/m2" dependency:copy "-Dartifact=$artifact" "-DoutputDirectory=$place"
	done
}

# The program is built as well: its module knows the driver.
fetch_go() {
	need go
	mkdir -p "$place"
	cp "$source/pgx.go" "$place/main.go"
	cd "$place" || exit 1
	export GOPATH="$cache/gopath" GOFLAGS=-modcacherw
	[ -e go.mod ] || run go mod init clients
	run go get github.com/jackc/pgx/v5
	run go build -o pgx .
}

mkdir -p "$cache" 2>/dev/null || skip "cannot make $cache"
exec 9>"$cache/$kind.lock"
flock 9
if [ ! -e "$place/complete" ]; then
	"fetch_$kind"
	touch "$place/complete"
fi
# Programs of ours are built anew when they have changed.
if [ "$kind" = java ]; then
	need javac java
	[ "$place/PgJdbc.class" -nt "$source/PgJdbc.java" ] ||
		javac -d "$place" -cp "$place/*" "$source/PgJdbc.java" >&2 || exit 1
elif [ "$kind" = go ] && ! cmp -s "$source/pgx.go" "$place/main.go"; then
	fetch_go
fi
echo "$place"
