// node-postgres against tallyd: node pg.js DRIVERS SOCKET_DIR EVENTS_DIR
// Throws at the first thing that is not as it should be; the last line on success is "done".
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const [drivers, host, events] = process.argv.slice(2);
const load = (name) => require(path.join(drivers, 'node_modules', name));
const { Client, types } = load('pg');
const Cursor = load('pg-cursor');
const TOTALS = 'select action, sum(count) as total from counts group by action order by action';
const MILLION = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) ' +
    "select i, 'row ' || i as text from n";
const ENDLESS = 'with recursive n(i) as (select 1 union all select i + 1 from n) ' +
    'select count(*) from n';

async function connect() {
    const client = new Client({ host, port: 5432, user: 'tester', database: 'tally' });
    await client.connect();
    return client;
}

async function publish(name) {
    fs.writeFileSync(path.join(events, name + '.tmp'),
        '{"time":1469501107,"action":"Open"}\n{"time":1469501107,"action":"Close"}\n');
    fs.renameSync(path.join(events, name + '.tmp'), path.join(events, name));
    const client = await connect();
    await client.query('select process_all_available()');
    await client.end();
}

const tests = {
    async 'simple, several statements and parameters'(client) {
        const totals = await client.query(TOTALS);
        assert.deepStrictEqual(totals.rows,
            [{ action: 'Close', total: '1' }, { action: 'Open', total: '1' }]);
        assert.deepStrictEqual(totals.fields.map((f) => f.dataTypeID), [25, 20]);
        const both = await client.query('select 1 as a; select 2 as b');
        assert.deepStrictEqual(both.map((r) => r.rows[0]), [{ a: '1' }, { b: '2' }]);
        const some = await client.query(
            'select action, count from counts where count >= $1 and action = $2', [1, 'Open']);
        assert.deepStrictEqual(some.rows, [{ action: 'Open', count: '1' }]);
    },
    async 'a prepared statement by name, twice'(client) {
        for (const n of [7, 8]) {
            const got = await client.query({ name: 'twice', text: 'select $1::int8 * 2 as n', values: [n] });
            assert.strictEqual(got.rows[0].n, String(2 * n));
        }
    },
    async 'values of every type, text and binary'(client) {
        const text = "select 9223372036854775807 as top, -9223372036854775807 - 1 as low, " +
            "0.1 as real, 1e308 * 10 as inf, 'ä€😀' as text, '' as empty, x'00ff' as blob, " +
            "null as absent, '2016-07-26 02:00:00.000001'::timestamp as time";
        for (const binary of [false, true]) {
            const row = (await client.query({ text, values: [], binary })).rows[0];
            assert.strictEqual(String(row.top), '9223372036854775807');
            assert.strictEqual(String(row.low), '-9223372036854775808');
            assert.strictEqual(row.real, 0.1);
            assert.strictEqual(row.inf, Infinity);
            assert.strictEqual(row.text, 'ä€😀');
            assert.strictEqual(row.empty, '');
            assert.ok(row.blob.equals(Buffer.from([0, 255])));
            assert.strictEqual(row.absent, null);
            assert.ok(row.time instanceof Date);
        }
        const back = await client.query(
            'select $1::text as t, $2::float8 as r, $3::bytea as b, $4::int8 as i, $5::text as n',
            ['ä\n\'"\\', 1.5, Buffer.from([0, 1, 255]), '-9223372036854775808', null]);
        assert.deepStrictEqual(back.rows[0],
            { t: 'ä\n\'"\\', r: 1.5, b: Buffer.from([0, 1, 255]), i: '-9223372036854775808', n: null });
    },
    async 'parameters of every type, truth values, lists'(client) {
        for (const [kind, sent, got] of [['int2', -32768, '-32768'], ['int4', 2147483647, '2147483647'],
            ['float4', 1.5, 1.5], ['numeric', '12.25', 12.25], ['varchar', 'ä', 'ä'], ['bool', true, true],
            ['bool', false, false], ['int8', null, null], ['bool', null, null], ['timestamp', null, null],
            ['float8', -Infinity, -Infinity], ['timestamptz', new Date(0), new Date(0)]])
            {
                const row = (await client.query(`select $1::${kind} as x`, [sent])).rows[0];
                if (got instanceof Date)
                    assert.ok(row.x instanceof Date);
                else
                    assert.deepStrictEqual(row.x, got);
            }
        const truths = await client.query('select 1 = 1 as a, not true as b, null::bool as c, count > 0 as d from counts limit 1');
        assert.deepStrictEqual(truths.rows[0], { a: true, b: false, c: null, d: true });
        assert.deepStrictEqual(truths.fields.map((f) => f.dataTypeID), [16, 16, 16, 16]);
        const some = await client.query('select count(*) as n from counts where action = any($1)',
            [['Open', 'a "b", \\', null]]);
        assert.strictEqual(some.rows[0].n, '1');
        assert.strictEqual((await client.query('select count(*) as n from counts where count = any($1)',
            [[1, 2]])).rows[0].n, '2');
    },
    async 'a warning'(client) {
        const told = new Promise((done) => client.on('notice', done));
        await client.query('rollback');
        assert.match((await told).message, /no transaction in progress/);
    },
    async 'queries sent without waiting'(client) {
        const all = [];
        for (let i = 0; i < 100; i++)
            all.push(client.query('select $1::int8 as n', [i]));
        all.push(client.query('select * from nowhere').catch((error) => error.code));
        all.push(client.query('select 1 as n'));
        const got = await Promise.all(all);
        assert.strictEqual(got[99].rows[0].n, '99');
        assert.strictEqual(got[100], '42P01');
        assert.strictEqual(got[101].rows[0].n, '1');
    },
    async 'errors, and going on'(client) {
        for (const [sql, values, code] of [['selekt', [], '42601'], ['select * from nowhere', [], '42P01'],
            ['select absent from counts', [], '42703'], ['select nofunction()', [], '42883'],
            ['delete from counts', [], '42501'], ['select $1::int8', ['x'], '22P02']]) {
            await assert.rejects(client.query(sql, values), { code });
            await assert.rejects(client.query(sql, values.length ? values : undefined), { code });
            assert.strictEqual((await client.query('select 1 as one')).rows[0].one, '1');
        }
    },
    async 'a transaction sees one snapshot'(client) {
        await client.query('begin isolation level repeatable read read only');
        const before = (await client.query(TOTALS)).rows;
        await publish('node-1');
        assert.deepStrictEqual((await client.query(TOTALS)).rows, before);
        await client.query('commit');
        assert.strictEqual((await client.query(TOTALS)).rows[0].total,
            String(Number(before[0].total) + 1));
        await client.query('begin');
        await assert.rejects(client.query('select * from nowhere'), { code: '42P01' });
        await assert.rejects(client.query('select 1'), { code: '25P02' });
        await client.query('rollback');
    },
    async 'cancel, and the time limit'(client) {
        const other = new Client({ host, port: 5432, user: 'tester' });
        const running = client.query(ENDLESS);
        const query = client.activeQuery || client._activeQuery;
        await new Promise((done) => setTimeout(done, 100));
        other.connection = undefined;
        const canceller = new Client({ host, port: 5432 });
        canceller.cancel(client, query);
        await assert.rejects(running, { code: '57014' });
        await client.query('set statement_timeout = 100');
        await assert.rejects(client.query(ENDLESS), { code: '57014' });
        await client.query('reset statement_timeout');
    },
    async 'a million rows through a cursor'(client) {
        const cursor = client.query(new Cursor(MILLION));
        const before = process.memoryUsage().rss;
        let n = 0, last;
        for (;;) {
            const rows = await cursor.read(10000);
            if (rows.length === 0)
                break;
            n += rows.length;
            last = rows[rows.length - 1];
        }
        assert.strictEqual(n, 1000000);
        assert.ok(process.memoryUsage().rss - before < 100e6);
        assert.deepStrictEqual(last, { i: '1000000', text: 'row 1000000' });
        await cursor.close();
    },
    async 'LISTEN'(client) {
        const told = new Promise((done) => client.on('notification', done));
        await client.query('listen counts');
        await publish('node-2');
        const message = await told;
        assert.strictEqual(message.channel, 'counts');
        assert.match(message.payload, /^[0-9]+$/);
        await client.query('unlisten *');
    },
};

async function main() {
    console.log('node-postgres', load('pg/package.json').version, 'node', process.version);
    for (const [name, test] of Object.entries(tests)) {
        const client = await connect();
        await test(client);
        await client.end();
        console.log('ok', name);
    }
    console.log('done');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
