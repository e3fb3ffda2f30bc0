// pgx against tallyd: pgx SOCKET_DIR EVENTS_DIR
// Panics at the first thing that is not as it should be; the last line on success is "done".
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const totals = "select action, sum(count) as total from counts group by action order by action"
const million = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) " +
	"select i, 'row ' || i as text from n"
const endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"

var ctx = context.Background()
var host, events string
var warnings []string

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("got %#v, want %#v", got, want))
	}
}

func failsWith(err error, state string) {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		panic(fmt.Sprintf("no error of the server's, but %v", err))
	}
	same(pgErr.Code, state)
}

func connect(options string) *pgx.Conn {
	config, err := pgx.ParseConfig("host=" + host + " port=5432 user=tester database=tally " + options)
	must(err)
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { warnings = append(warnings, notice.Message) }
	conn, err := pgx.ConnectConfig(ctx, config)
	must(err)
	return conn
}

func publish(name string) {
	path := filepath.Join(events, name)
	must(os.WriteFile(path+".tmp", []byte(`{"time":1469501107,"action":"Open"}
{"time":1469501107,"action":"Close"}
`), 0o644))
	must(os.Rename(path+".tmp", path))
	conn := connect("")
	_, err := conn.Exec(ctx, "select process_all_available()")
	must(err)
	must(conn.Close(ctx))
}

type row struct {
	Action string
	Total  int64
}

func totalsOf(conn *pgx.Conn) []row {
	rows, err := conn.Query(ctx, totals)
	must(err)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	must(err)
	return got
}

func queries(conn *pgx.Conn) {
	got := totalsOf(conn)
	same(len(got), 2)
	same(got[0].Action, "Close")
	var count int64
	must(conn.QueryRow(ctx, "select count from counts where count >= $1 and action = $2", 1, "Open").Scan(&count))
	_, err := conn.Prepare(ctx, "twice", "select $1::int8 * 2")
	must(err)
	for n := int64(7); n < 9; n++ {
		must(conn.QueryRow(ctx, "twice", n).Scan(&count))
		same(count, 2*n)
	}
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select $1::text", "x")
	results := conn.SendBatch(ctx, batch)
	var text string
	must(results.QueryRow().Scan(&count))
	must(results.QueryRow().Scan(&text))
	same(text, "x")
	must(results.Close())
}

func values(conn *pgx.Conn) {
	var top, low int64
	var real, inf float64
	var text, empty string
	var blob []byte
	var nothing *string
	var when time.Time
	must(conn.QueryRow(ctx, "select 9223372036854775807, -9223372036854775807 - 1, 0.1, 1e308 * 10, "+
		"'ä€😀', '', x'00ff', null, '2016-07-26 02:00:00.000001'::timestamp").Scan(
		&top, &low, &real, &inf, &text, &empty, &blob, &nothing, &when))
	same([]any{top, low, real, inf, text, empty, blob, nothing == nil},
		[]any{int64(math.MaxInt64), int64(math.MinInt64), 0.1, math.Inf(1), "ä€😀", "", []byte{0, 255}, true})
	same(when.UTC(), time.Date(2016, 7, 26, 2, 0, 0, 1000, time.UTC))
	must(conn.QueryRow(ctx, "select $1::text, $2::float8, $3::bytea, $4::int8, $5::text, $6::timestamp",
		"ä\n'\"\\", -1.5, []byte{0, 1, 255}, int64(math.MinInt64), nil, when).Scan(
		&text, &real, &blob, &low, &nothing, &when))
	same([]any{text, real, blob, low, nothing == nil},
		[]any{"ä\n'\"\\", -1.5, []byte{0, 1, 255}, int64(math.MinInt64), true})
	same(when.UTC(), time.Date(2016, 7, 26, 2, 0, 0, 1000, time.UTC))
}

func types(conn *pgx.Conn) {
	var small, plain int64
	var single, double, number float64
	var text string
	var yes, no, positive bool
	var nothing *bool
	var when time.Time
	zoned := time.Date(2016, 7, 26, 4, 0, 0, 0, time.FixedZone("", 7200))
	must(conn.QueryRow(ctx, "select $1::int2, $2::int4, $3::float4, $4::float8, $5::numeric, $6::varchar, $7::bool, "+
		"$8::bool, $9::bool, $10::timestamptz, count > 0 from counts limit 1", int16(-32768), int32(math.MaxInt32),
		float32(1.5), math.Inf(-1), "12.25", "ä", true, false, nil, zoned).Scan(
		&small, &plain, &single, &double, &number, &text, &yes, &no, &nothing, &when, &positive))
	same([]any{small, plain, single, double, number, text, yes, no, nothing == nil, positive},
		[]any{int64(-32768), int64(math.MaxInt32), 1.5, math.Inf(-1), 12.25, "ä", true, false, true, true})
	same(when.UTC(), zoned.UTC())
	var count int64
	must(conn.QueryRow(ctx, "select count(*) from counts where action = any($1) and count = any($2)",
		[]string{"Open", `a "b", \`, ""}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}).Scan(&count))
	same(count, int64(1))
}

func copies(conn *pgx.Conn) {
	var out bytes.Buffer
	_, err := conn.PgConn().CopyTo(ctx, &out, "copy (select action, 'a,b', null from counts order by action limit 1) to stdout")
	must(err)
	same(out.String(), "Close\ta,b\t\\N\n")
	out.Reset()
	_, err = conn.PgConn().CopyTo(ctx, &out, "copy (select action, 'a,b' as x from counts order by action limit 1) to stdout (format csv, header)")
	must(err)
	same(out.String(), "action,x\nClose,\"a,b\"\n")
}

func warns(conn *pgx.Conn) {
	before := len(warnings)
	_, err := conn.Exec(ctx, "rollback")
	must(err)
	same(len(warnings), before+1)
	same(strings.Contains(warnings[before], "no transaction in progress"), true)
}

func failures(conn *pgx.Conn) {
	for sql, state := range map[string]string{"selekt": "42601", "select * from nowhere": "42P01",
		"select absent from counts": "42703", "select nofunction()": "42883",
		"delete from counts": "42501"} {
		_, err := conn.Exec(ctx, sql)
		failsWith(err, state)
		var one int64
		must(conn.QueryRow(ctx, "select 1").Scan(&one))
	}
}

func snapshot(conn *pgx.Conn) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	must(err)
	before := totalsOf(conn)
	publish(fmt.Sprintf("go-%d", time.Now().UnixNano()))
	same(totalsOf(conn), before)
	must(tx.Commit(ctx))
	same(totalsOf(conn)[0].Total, before[0].Total+1)
	tx, err = conn.Begin(ctx)
	must(err)
	_, err = tx.Exec(ctx, "select * from nowhere")
	failsWith(err, "42P01")
	_, err = tx.Exec(ctx, "select 1")
	failsWith(err, "25P02")
	must(tx.Rollback(ctx))
}

func cancel(conn *pgx.Conn) {
	go func() {
		time.Sleep(100 * time.Millisecond)
		must(conn.PgConn().CancelRequest(ctx))
	}()
	_, err := conn.Exec(ctx, endless)
	failsWith(err, "57014")
	_, err = conn.Exec(ctx, "set statement_timeout = '100ms'")
	must(err)
	_, err = conn.Exec(ctx, endless)
	failsWith(err, "57014")
	_, err = conn.Exec(ctx, "reset statement_timeout")
	must(err)
}

func manyRows(conn *pgx.Conn) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	before := memory.Sys
	rows, err := conn.Query(ctx, million)
	must(err)
	n, last := 0, ""
	for rows.Next() {
		var i int64
		must(rows.Scan(&i, &last))
		n++
	}
	must(rows.Err())
	same(n, 1000000)
	runtime.ReadMemStats(&memory)
	same(memory.Sys-before < 32<<20, true)
	same(last, "row 1000000")
}

func listen(conn *pgx.Conn) {
	_, err := conn.Exec(ctx, "listen counts")
	must(err)
	publish(fmt.Sprintf("go-%d", time.Now().UnixNano()))
	told, err := conn.WaitForNotification(ctx)
	must(err)
	same(told.Channel, "counts")
	if told.Payload == "" || strings.Trim(told.Payload, "0123456789") != "" {
		panic(told.Payload)
	}
}

func main() {
	host, events = os.Args[1], os.Args[2]
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if strings.HasSuffix(module.Path, "/pgx/v5") {
			fmt.Println("pgx", module.Version, info.GoVersion)
		}
	}
	// Binary results by prepared statements, by unnamed ones, and text by the simple protocol.
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		conn := connect("default_query_exec_mode=" + mode)
		queries(conn)
		failures(conn)
		snapshot(conn)
		if !strings.HasPrefix(mode, "exec") && !strings.HasPrefix(mode, "simple") {
			values(conn)
			types(conn)
		}
		must(conn.Close(ctx))
		fmt.Println("ok", mode)
	}
	for name, test := range map[string]func(*pgx.Conn){"cancel": cancel, "a million rows": manyRows,
		"LISTEN": listen, "COPY": copies, "a warning": warns} {
		conn := connect("")
		test(conn)
		must(conn.Close(ctx))
		fmt.Println("ok", name)
	}
	fmt.Println("done")
}
