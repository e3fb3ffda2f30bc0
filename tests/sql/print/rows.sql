create table t(id integer, v);
insert into t values
(1, null), (2, ''), (3, 'plain'), (4, 'two words'), (5, 'comma,inside'), (6, 'a "quoted" word'),
(7, 'it''s'), (8, 'bar|inside'), (9, 'back\slash'), (10, '<a href="x">&amp;</a>'),
(11, 'line one' || char(10) || 'line two'), (12, 'cr' || char(13) || 'lf' || char(13,10) || 'end'),
(13, 'tab' || char(9) || 'stop' || char(9)), (14, 'ends in newline' || char(10)),
(15, char(10)), (16, char(27) || '[31mred' || char(127)), (17, 'bell' || char(7) || char(8) || char(12)),
(18, 'Grüße, Ωmega'), (19, '漢字かな交じり文'), (20, 'e' || char(769) || ' combined, ' || char(128512)),
(21, cast(x'6162ff63c328' as text)), (22, 'nul' || char(0) || 'behind'),
(23, 0), (24, -1), (25, 9223372036854775807), (26, -9223372036854775807 - 1), (27, 123456789012345678),
(28, 0.0), (29, -0.0), (30, 1.0), (31, 0.1), (32, 1.0/3), (33, 100.0), (34, 1e15), (35, 1e16),
(36, 123456789012345680.0), (37, 9223372036854775808.0), (38, -9223372036854775808.0), (39, 1.7976931348623157e308),
(40, 5e-324), (41, 2.2250738585072014e-308), (42, 3.141592653589793), (43, 9e999), (44, -9e999), (45, 1e-7), (46, 99999999999999.99),
(47, x''), (48, x'00ff'), (49, x'616263'), (50, x'61620063'), (51, x'0a0d0922'), (52, x'c3a9'),
(53, 'The quick brown fox jumps over the lazy dog, and then some more text follows to pass sixty.'),
(54, 'supercalifragilisticexpialidocious_supercalifragilisticexpialidocious_x'),
(55, 'word  with   blanks ' || char(10) || char(10) || ' and an empty line'),
(56, 'back\nslash' || char(10) || 'n and \012 too'), (57, 'hello world'), (58, 'x' || char(9) || 'y' || char(9) || 'zzzzzzzzzzzzzzzz');
create table w("first name" text, "select" integer, "ünïcode" real, "a,b" blob, "new
line", x);
insert into w values ('Ada', 1, 1.5, x'41', 'a
b', 'short'), (null, -20, null, null, null, null), ('Grace', 300, 2e300, x'', 'c', 'a rather long text that is longer than the others');
create table one(a);
insert into one values (1), (2), (3);
