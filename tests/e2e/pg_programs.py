#!/usr/bin/env python3
"""PostgreSQL drivers of other languages, each by a program of its own in clients/: node-postgres,
pgx and JDBC. A program ends with "done" when everything was as it should be."""

import os
import subprocess
import sys

import harness
import pg_case


class Programs(pg_case.PgCase):

    def run_program(self, *command):
        before = self.resident_kb()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=10 * harness.DEADLINE)
        sys.stderr.write(done.stdout)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.endswith("done\n"))
        self.assert_flat(before)
        harness.wait_until(lambda: len(self.d.ask("select * from sessions")) == 1, "its sessions end")

    def test_node_postgres(self):
        place = pg_case.clients("node")
        self.run_program("node", os.path.join(pg_case.HERE, "clients", "pg.js"), place, self.dir,
                         self.d.events)

    def test_pgx(self):
        self.run_program(os.path.join(pg_case.clients("go"), "pgx"), self.dir, self.d.events)

    def test_jdbc(self):
        place = pg_case.clients("java")
        self.run_program("java", "-Xmx128m", "-cp", place + ":" + place + "/*", "PgJdbc", self.path,
                         self.d.events)


if __name__ == "__main__":
    harness.main()
