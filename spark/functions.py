"""date_format and its family, the same expressions through tallyd and through Spark's SQL.

Every letter that a pattern may hold, in every count; the borders of years and days and the nights
in which clocks are moved; three zones. A rule stands beside what differs on purpose; the test
fails for a difference without one and for a rule without a difference.
"""

import os
import subprocess

ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata")
INSTANTS = (
    "2016-07-26T02:45:07.123456Z", "2016-01-05T12:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
    "2016-11-06T08:30:00Z", "2016-11-06T09:30:00Z", "2016-03-13T09:59:59Z", "2016-03-13T10:00:00Z", "2016-02-29T23:59:59.5Z",
    "1999-12-31T00:00:01Z", "9999-12-30T23:59:59.999999Z", "1900-01-02T00:00:00Z",
)
# Letters that stand for something, in all counts to one beyond what is allowed; all others alone.
LETTERS = {**dict.fromkeys("MLQqEGOz", 5), **dict.fromkeys("dhKkHmsV", 3), **dict.fromkeys("Fa", 2), **dict.fromkeys("XxZ", 6), "D": 4, "y": 7, "S": 10}
ALONE = sorted(set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") - set(LETTERS))
COMPOSED = [
    "", "MMM-dd HH:mm", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "''", "h 'o''clock' a", "'yyyy'", "[yyyy]-[MM]", "[yyyy", "yyyy]", "{", "}", "#", "'open",
    "é/,:-_~.", "EEEE, d MMMM yyyy", "yyyyMMddHHmmssSSSSSS", "D 'of' yyyy", "QQQ yy", "HH:mm:ss.SSSSSSSSS z", "G y", "hh:mm a VV",
]
PATTERNS = [letter * n for letter, most in LETTERS.items() for n in range(1, most + 1)] + ALONE + COMPOSED

UNDOCUMENTED = "letters of a pattern that Spark does not document (g, v) are errors"
NO_UNIT = "an unknown unit of date_trunc is an error; null in Spark"
NO_ZONE = "a text without a zone is a time in UTC, whatever the zone of the session"
OLD = "a text that is no time is an error; null before Spark 4"
RULES = {"date_format('g')": UNDOCUMENTED, "date_format('v')": UNDOCUMENTED}
UNITS = ("MICROSECOND", "MILLISECOND", "second", "MINUTE", "HOUR", "DAY", "DD", "WEEK", "MON", "MONTH", "MM", "QUARTER", "YEAR", "YYYY", "YY")
# Of each the rule by which Spark gives something else: anywhere, beyond UTC, before version 4.
EXPRESSIONS = {
    "from_unixtime(1469501107)": (), "from_unixtime(-1)": (), "from_unixtime(0, 'MMM-dd HH:mm')": (), "from_unixtime(null)": (),
    "unix_timestamp(to_timestamp('2016-07-26T02:45:07.9Z'))": (), "unix_timestamp(to_timestamp('1969-12-31T23:59:58.5Z'))": (),
    "unix_timestamp(to_timestamp('2016-07-26'))": ("", NO_ZONE), "date_format('2016-07-26 02:45:07', 'HH:mm')": ("", NO_ZONE),
    "date_format(null, 'HH')": (), "date_format(to_timestamp('2016-07-26'), null)": (), "date_trunc('HOUR', null)": (),
    "unix_timestamp(date_trunc('fortnight', to_timestamp('2016-07-26T02:45:07Z')))": (NO_UNIT,),
    "unix_timestamp(to_timestamp('no time'))": ("", "", OLD),
    **{f"unix_timestamp(date_trunc('{unit}', to_timestamp('{instant}')))": () for unit in UNITS for instant in INSTANTS[:6]},
}
ERROR = "an error"
AT_A_TIME = 200


def of_tallyd(top, directory, zone, expressions):
    """The value of each as text, None or ERROR."""
    events, config = os.path.join(directory, "events"), os.path.join(directory, "tallyd.conf")
    os.makedirs(events, exist_ok=True)
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[tallyd]\nstate_dir = {directory}/state\ntimezone = {zone}\n[source events]\npath = {events}\n")
    answers = []
    while len(answers) < len(expressions):
        # The first error ends a run; the next one begins behind it.
        rest = expressions[len(answers):]
        statements = "".join(f"select coalesce('=' || cast({text} as text), '');\n" for text in rest)
        done = subprocess.run([os.path.join(top, "tallyd"), "--config", config, "--available-now", "--sql", statements], capture_output=True, text=True)
        answers += [line[1:] if line else None for line in done.stdout.split("\n")[:-1]]
        answers += [ERROR] * (done.returncode != 0)
    return answers


def of_spark(spark, expressions):
    """The same of Spark: many in one statement where they all succeed, halves of them where one fails."""
    if not expressions:
        return []
    if len(expressions) <= AT_A_TIME:
        try:
            return list(spark.sql("select " + ", ".join(f"cast({text} as string)" for text in expressions)).collect()[0])
        except Exception:  # an error of Spark is an answer here
            if len(expressions) == 1:
                return [ERROR]
    half = min(AT_A_TIME, len(expressions) // 2)
    return of_spark(spark, expressions[:half]) + of_spark(spark, expressions[half:])


def formatted(instant, pattern):
    """date_format of an instant, as each of the two spells texts."""
    ours = "'" + pattern.replace("'", "''") + "'"
    return f"date_format('{instant}', {ours})", f"date_format(timestamp '{instant}', \"{pattern}\")"


def rule_of(name, zone, spark_major):
    anywhere, beyond, old = (*EXPRESSIONS.get(name, (RULES.get(name, ""),)), "", "", "")[:3]
    return anywhere or (beyond if zone != "UTC" else "") or (old if spark_major < 4 else "")


def compare(spark, directory, top):
    """([(expression, rule)] that differ on purpose, what is wrong or None, how many expressions)."""
    major = int(spark.version.split(".")[0])
    purposely, trouble, n = {}, [], 0
    allowed = PATTERNS
    for zone in ZONES:
        spark.conf.set("spark.sql.session.timeZone", zone)
        asked = [(f"date_format('{pattern}')", *formatted(instant, pattern))
                 for instant in (INSTANTS if zone != "UTC" else INSTANTS[:1]) for pattern in allowed]
        asked += [(text, text, text) for text in EXPRESSIONS]
        if zone == "UTC":
            answers = of_tallyd(top, directory, zone, [ours for _, ours, _ in asked])
            allowed = [pattern for pattern, answer in zip(PATTERNS, answers) if answer != ERROR]
            asked += [(f"date_format('{pattern}')", *formatted(instant, pattern)) for instant in INSTANTS[1:] for pattern in allowed]
        ours = of_tallyd(top, directory, zone, [text for _, text, _ in asked])
        theirs = of_spark(spark, [text for _, _, text in asked])
        n += len(asked)
        differ = {}
        for (name, text, _), mine, spark_answer in zip(asked, ours, theirs):
            if mine != spark_answer:
                differ.setdefault(name, f"{text} in {zone}: tallyd {mine}, Spark {spark_answer}")
        for name in dict.fromkeys(name for name, _, _ in asked):
            rule = rule_of(name, zone, major)
            if rule and name in differ:
                purposely[name] = rule
            elif rule or name in differ:
                trouble.append(differ.get(name, f"{name} in {zone} no longer differs: {rule}"))
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return list(purposely.items()), "; ".join(trouble) or None, f", {n} expressions"
