/*
 * SQLSTATEs: what PostgreSQL would have said of the same mistake. From
 * PostgreSQL's manual, appendix A. Pure.
 */
#ifndef DAEMON_PG_ERROR_H
#define DAEMON_PG_ERROR_H

#include "base/err.h"

#define PG_STATE_PROTOCOL        "08P01"
#define PG_STATE_UNSUPPORTED     "0A000"
#define PG_STATE_INVALID_TEXT    "22P02"
#define PG_STATE_FAILED          "25P02" /* in a failed transaction */
#define PG_STATE_NO_TRANSACTION  "25P01"
#define PG_STATE_NO_STATEMENT    "26000"
#define PG_STATE_NO_CURSOR       "34000"
#define PG_STATE_DUPLICATE       "42P05"
#define PG_STATE_TOO_MANY        "53300"
#define PG_STATE_UNKNOWN_SETTING "42704"
#define PG_STATE_NO_PARAMETER    "42P02"

/* The state of a failed statement, from its code and SQLite's sentence. */
const char *pg_state_of(const struct err *err);

#endif
