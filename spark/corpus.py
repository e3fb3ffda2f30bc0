"""Every tricky event: one line each, and where tallyd and Spark judge it differently, by which rule.

Each line names itself in the field `id`, so that a query grouped by id and action shows what
became of it. It is read by Spark in two ways: by the runner (times as text, so that more of them
count) and as the notebook does it, with the schema `time timestamp`. A rule stands beside a line
for each of the two that gives another table than tallyd; the test fails for a difference without
a rule, and for a rule without a difference.
"""

import dataclasses
import json

NOON = "1469501107"

# The rules, as docs/from-a-spark-notebook.md has them under "What differs on purpose".
SEVERAL = "several JSON values on a line each count; Spark keeps the first"
DECIMAL = "decimal times count, cut to microseconds; null in Spark"
QUOTES = "single quotes are no JSON; Spark takes them"
YEARS = "a time outside the years 0001-9999 is a reject; Spark counts it, or wraps"
GRAMMAR = "a time as text is a date, then perhaps a time and a zone; Spark takes more"
ZONES = "a zone may follow a date or minutes; null in Spark"
ELEMENTS = "an element of an array that is no object is a reject, its neighbours count; Spark drops the line"
TEXT = "a number in quotes is no time; the runner cannot tell it from a number"
LONG = "a group of more than 65,536 bytes is a reject"
LARGE = "an event of more than 16 MiB is a reject"
ENCODING = "strict UTF-8, a byte order mark at the start of a file alone; Spark takes more"
SURROGATE = "half a surrogate pair is U+FFFD; a question mark in Spark"
DUPLICATE = "the last duplicate is the time also where it is none; Spark keeps the one before"
NAN = "NaN and Infinity are no JSON; Spark takes them as text"
RETURN = "a line ends at a newline alone; Spark ends one at a carriage return too"
DOUBLE = "numbers are exact in decimal; Spark 3.5 reads them as floating point"
TABLE_OF_35 = "a number, object or array is its source text; Spark 3.5 writes it anew"


@dataclasses.dataclass(frozen=True)
class Case:
    """`runner`, `notebook`: the rule by which Spark, read that way, gives another table; `old`: the
    rule where it does so before version 4 only. `some`: only some versions of Spark
    do, so it may differ or not."""

    name: str
    line: bytes
    runner: str = ""
    notebook: str = ""
    old: str = ""
    some: bool = False

    def rule(self, reading, spark_major):
        return getattr(self, reading) or (self.old if spark_major < 4 else "")


def time(name, value, runner="", notebook="", old=""):
    return Case(f"time {name}", f'{{"id":{json.dumps("time " + name)},"time":{value},"action":"a"}}'.encode(), runner, notebook, old)


def action(name, value, runner="", notebook="", old=""):
    text = f'{{"id":{json.dumps("action " + name)},"time":{NOON},"action":{value}}}'
    return Case(f"action {name}", text.encode(), runner, notebook, old)


def raw(name, text, runner="", notebook="", old="", some=False):
    """`text` with ID for the name, T for the field of a good time and A for that of an action."""
    text = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for mark, is_for in ((b"ID", f'"id":{json.dumps(name)}'), (b"TT", f'"time":{NOON}'), (b"AA", '"action":"a"')):
        text = text.replace(mark, is_for.encode())
    return Case(name, text, runner, notebook, old, some)


BOTH = lambda rule: {"runner": rule, "notebook": rule}

CASES = [
    # From bytes to events
    raw("an object", "{ID,TT,AA}"),
    raw("a carriage return before the newline", "{ID,TT,AA}\r"),
    raw("a carriage return within", "{ID,\r TT,AA}", notebook=RETURN),
    raw("garbage, a carriage return, an object", "x\r{ID,TT,AA}", notebook=RETURN),
    raw("a form feed before", "\f{ID,TT,AA}"),
    raw("a NUL", b"{ID,TT,\0AA}"),
    raw("white space around", " \t {ID , TT , AA}\t "),
    raw("nothing", ""),
    raw("white space alone", " \t "),
    raw("an array of objects", "[{ID,TT,AA},{ID,TT,AA}]"),
    raw("an array of two objects, 18 MiB together", "[{ID,TT," + " " * (9 << 20) + "AA},{ID,TT," + " " * (9 << 20) + "AA}]"),
    raw("an empty array", "[]"),
    raw("an array that breaks off", "[{ID,TT,AA},{ID,TT"),
    raw("an array with a scalar in it", "[{ID,TT,AA},2]", **BOTH(ELEMENTS)),
    raw("an array in an array", "[[{ID,TT,AA}]]"),
    raw("two objects back to back", "{ID,TT,AA}{ID,TT,AA}", **BOTH(SEVERAL)),
    raw("two objects with a blank between", "{ID,TT,AA} {ID,TT,AA}", **BOTH(SEVERAL)),
    raw("a scalar, then an object", "1 {ID,TT,AA}", **BOTH(SEVERAL)),
    raw("an object, then garbage", "{ID,TT,AA} garbage"),
    raw("an object, then a brace too many", "{ID,TT,AA}}"),
    raw("an object, then a comma", "{ID,TT,AA},"),
    raw("a number", "123"),
    raw("a text", '"text"'),
    raw("null", "null"),
    raw("true", "true"),
    raw("an empty object", "{}"),
    raw("an object cut in a text", '{ID,TT,"action":"cut'),
    raw("an object cut in a number", '{ID,"time":14695'),
    raw("an object without its brace", "{ID,TT,AA"),
    raw("no comma", "{ID,TT AA}"),
    raw("a comma at the end", "{ID,TT,AA,}"),
    raw("a wrong bracket", "{ID,TT,AA]"),
    raw("a leading zero in a number nobody reads", '{ID,TT,AA,"more":01}'),
    raw("an open text behind a backslash", '{ID,TT,"action":"a\\"}'),
    raw("names without quotes", '{ID,TT,action:"a"}'),
    raw("single quotes", "{ID,TT,'action':'a'}", notebook=QUOTES),
    raw("a comment", "{ID,TT,/* */AA}"),
    raw("a tab in a text", '{ID,TT,"action":"tab\there"}'),
    raw("a tab in a text nobody reads", '{ID,TT,AA,"more":"tab\there"}'),
    raw("an unknown escape", '{ID,TT,"action":"a\\qb"}'),
    raw("broken UTF-8", b'{ID,TT,"action":"\xff"}'),
    raw("broken UTF-8 in a text nobody reads", b'{ID,TT,AA,"more":"\xc3("}'),
    raw("overlong UTF-8", b'{ID,TT,"action":"\xc0\xaf"}', **BOTH(ENCODING)),
    raw("a surrogate in UTF-8", b'{ID,TT,"action":"\xed\xa0\x80"}', some=True, **BOTH(ENCODING)),
    raw("a byte order mark within the file", b"\xef\xbb\xbf{ID,TT,AA}", **BOTH(ENCODING)),
    Case("UTF-16", '{"id":"UTF-16","time":1469501107,"action":"a"}'.encode("utf-16-le"), notebook=ENCODING, old=ENCODING),
    raw("a blank that is none", b"\xc2\xa0{ID,TT,AA}"),
    raw("900 levels deep", '{ID,TT,AA,"more":' + "[" * 899 + "]" * 899 + "}"),
    raw("1,000 levels deep", '{ID,TT,AA,"more":' + "[" * 999 + "]" * 999 + "}"),
    raw("1,001 levels deep", '{ID,TT,AA,"more":' + "[" * 1000 + "]" * 1000 + "}"),
    raw("a name in escapes", '{ID,"t\\u0069me":1469501107,AA}'),
    raw("names in capitals", '{ID,"Time":1469501107,"ACTION":"a"}'),
    raw("the time twice", '{ID,"time":1,TT,AA}'),
    raw("the time, then null", '{ID,TT,"time":null,AA}'),
    raw("the time, then text that is none", '{ID,TT,"time":"x",AA}', notebook=DUPLICATE),
    raw("the action twice", '{ID,TT,AA,"action":"b"}'),
    raw("the action, then null", '{ID,TT,AA,"action":null}'),
    raw("other fields", '{ID,"more":{"time":5,"deep":[1,{"a":null}]},TT,AA,"time2":7}'),
    raw("the time within another field", '{ID,"more":{TT},AA}'),
    raw("17 MiB of blanks", "{ID,TT," + " " * (17 << 20) + "AA}", **BOTH(LARGE)),
    # time
    time("in seconds", NOON), time("zero", "0"), time("minus zero", "-0"), time("before 1970", "-1"),
    time("on an edge before 1970", "-3600"), time("of milliseconds", "1469501107000", notebook=YEARS),
    time("past 64 bits of microseconds", "9223372036855", notebook=YEARS), time("past 64 bits", "99999999999999999999"),
    time("the last second of 9999", "253402300799"), time("the first second of 10000", "253402300800", notebook=YEARS),
    time("the first second of year 1", "-62135596800"), time("the second before it", "-62135596801", notebook=YEARS),
    time("decimal", "1469501107.5", notebook=DECIMAL), time("decimal before 1970", "-0.5", notebook=DECIMAL),
    time("of many nines", "1469501999.99999999999999999", notebook=DECIMAL, old=DOUBLE),
    time("exponent of many nines", "1.46950199999999999999e9", notebook=DECIMAL, old=DOUBLE),
    time("a hair before 1970", "-0.0000000001", notebook=DECIMAL),
    time("exponent", "1.469501107e9", notebook=DECIMAL), time("leading zero", "01"), time("plus", "+1"), time("hexadecimal", "0x1F"),
    time("point first", ".5"), time("point last", "5."), time("NaN", "NaN"), time("Infinity", "Infinity"), time("true", "true"),
    time("object", "{}"), time("array", "[1469501107]"), time("null", "null"), raw("time missing", "{ID,AA}"),
    time("date", '"2016-07-26"'), time("date and hours, minutes", '"2016-07-26 02:45"'), time("with T and Z", '"2016-07-26T02:45:07Z"'),
    time("with an offset", '"2016-07-26 04:45:07+02:00"'), time("with a short offset", '"2016-07-26 04:45:07+02"'),
    time("with an offset without colon", '"2016-07-26 04:45:07+0200"'), time("offset of 18 hours", '"2016-07-26 20:45:07+18:00"'),
    time("offset of 19 hours", '"2016-07-26 20:45:07+19:00"'), time("fraction", '"2016-07-26 02:45:07.123456789"'),
    time("one digit each", '"2016-7-6 2:45:07"'), time("minutes and Z", '"2016-07-26T02:45Z"', notebook=ZONES),
    time("date and Z", '"2016-07-26Z"', notebook=ZONES), time("no such day", '"2016-02-30"'), time("leap day", '"2016-02-29"'),
    time("no leap day", '"2015-02-29"'), time("hour 24", '"2016-07-26 24:00:00"'), time("second 60", '"2016-07-26 02:45:60"'),
    time("small t", '"2016-07-26t02:45:07"'), time("small z", '"2016-07-26T02:45:07z"'), time("blanks around", '" 2016-07-26 "', notebook=GRAMMAR),
    time("two blanks within", '"2016-07-26  02:45:07"'), time("slashes", '"2016/07/26"'), time("year alone", '"2016"', runner=TEXT, notebook=GRAMMAR),
    time("year and month", '"2016-07"', notebook=GRAMMAR), time("zone by name", '"2016-07-26 02:45:07 Europe/Paris"', notebook=GRAMMAR),
    time("zone UTC", '"2016-07-26 02:45:07 UTC"', notebook=GRAMMAR), time("point without digits", '"2016-07-26 02:45:07."', notebook=GRAMMAR),
    time("year 10000", '"10000-01-01"', notebook=GRAMMAR), time("year 0000", '"0000-01-01"', notebook=YEARS), time("empty text", '""'),
    time("a newline behind", '"2016-07-26\\n"', notebook=GRAMMAR), time("digits and a newline", '"1469501107\\n"'),
    time("minutes of one digit", '"2016-07-26 2:5:7"', notebook=GRAMMAR), time("hours alone", '"2016-07-26 02"', notebook=GRAMMAR),
    time("clock alone", '"12:34:56"', notebook=GRAMMAR), time("T behind a date", '"2016-07-26T"'), time("comma", '"2016-07-26 02:45:07,5"'),
    time("year with a sign", '"+2016-07-26"', notebook=GRAMMAR), time("year of five digits", '"12016-07-26"', notebook=GRAMMAR),
    time("offset minus zero", '"2016-07-26 02:45:07-00:00"'), time("offset of one digit", '"2016-07-26 02:45:07+2"', notebook=GRAMMAR),
    time("offset of 18 hours and a minute", '"2016-07-26 20:45:07+18:01"'), time("offset of 60 minutes", '"2016-07-26 20:45:07+02:60"'),
    time("of year 10000 by its zone", '"9999-12-31T23:59:59-01:00"', notebook=YEARS), time("of year 0 by its zone", '"0001-01-01T00:00:00+01:00"', notebook=YEARS),
    time("epoch", '"epoch"'), time("now", '"now"'), time("digits in quotes", '"1469501107"', runner=TEXT), time("words", '"yesterday"'),
    # the group
    action("empty", '""'), action("null", "null"), raw("action missing", "{ID,TT}"), action("in escapes", '"\\u0041\\u00e9\\n\\/"'),
    action("pair of surrogates", '"\\ud83d\\ude00"'), action("half a pair", '"\\ud83d"', **BOTH(SURROGATE)),
    action("second half of a pair", '"\\ude00"', **BOTH(SURROGATE)), action("half a pair, then a letter", '"\\ud83dx"', **BOTH(SURROGATE)),
    action("NUL", '"a\\u0000b"'), action("in UTF-8", '"é😀"'), action("number", "7"), action("number as written", "1.50", old=TABLE_OF_35),
    action("exponent as written", "1E+2", old=TABLE_OF_35), action("minus zero", "-0", old=TABLE_OF_35), action("true", "true"), action("false", "false"),
    action("object as written", '{"a": 1 }', old=TABLE_OF_35), action("array as written", "[1, 2]", old=TABLE_OF_35), action("NaN", "NaN", notebook=NAN),
    action("65,536 bytes", '"' + "x" * 65536 + '"'), action("65,537 bytes", '"' + "x" * 65537 + '"', **BOTH(LONG)),
]


def as_file():
    """The corpus as one file, which begins with a byte order mark; its last line has no newline."""
    return b"\xef\xbb\xbf" + b"\n".join(case.line for case in CASES)


def compare(reading, spark_major, ours, theirs):
    """(differences on purpose as [(case, rule)], troubles as text) of two tables
    {(id, action, start, end): count}."""
    names = {case.name for case in CASES}
    different = {key[0] for key in set(ours) | set(theirs) if ours.get(key) != theirs.get(key)}
    trouble = [f"{name}: counted, and bears no name of a line" for name in different - names]
    purposely = []
    for case in CASES:
        rule = case.rule(reading, spark_major)
        shown = [sorted((key[1:], n) for key, n in table.items() if key[0] == case.name) for table in (ours, theirs)]
        shown = [[((str(key[0])[:20], *key[1:]), n) for key, n in rows] for rows in shown]
        if case.some and case.name not in different:
            continue
        if (case.name in different) != bool(rule):
            trouble.append(f"{case.name}: tallyd {shown[0]}, Spark {shown[1]}, rule: {rule or 'none'}")
        elif rule:
            purposely.append((case.name, rule))
    return purposely, trouble
