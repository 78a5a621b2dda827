"""A schema of everything that is awkward to capture, and a play that is performed on it.

Each table comes with what is done to it in each act: rows are inserted, updated, given other keys,
deleted, truncated and inserted again. What the tables hold is kept after each act, as they hold it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from ask import rows, run, value, values
from support import Connection

SCHEMA = """na"sty '.' {1}, 100% \\ """
"""The schema of all tables of the play: a name that no statement survives that does not quote."""

ACTS = ("insert", "update", "key", "delete", "truncate", "again")
"""What is done to each table, in this order; each act is a transaction."""

FULL = ", _capture => 'full'"
"""The option by which an update is recorded with both whole rows."""

BEFORE_KEYS_CHANGE = ("before", *ACTS[: ACTS.index("key")])


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal that no setting changes."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


S = quoted(SCHEMA)


@dataclass(frozen=True, slots=True)
class Table:
    """A table, how it is made, and what is done to it."""

    name: str
    made_by: tuple[str, ...]
    acts: Mapping[str, tuple[str, ...]]
    has_key: bool = True
    options: str = ""

    @property
    def path(self) -> str:
        return f"{S}.{quoted(self.name)}"


@dataclass(slots=True)
class Play:
    """The play after its last act."""

    connection: Connection
    tables: list[Table]
    moments: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def kept(self, act: str, table: Table) -> str:
        """The table that holds what a table held after an act."""
        return f"kept.{quoted(f'{self.tables.index(table)} {act}')}"


# Types. Each sample is an expression; a column goes through the samples of its type, and null.

_WEIRD_TEXTS = (
    "''",
    "' '",
    "'null'",
    "'NULL'",
    "'[masked]'",
    r"""E'a"b\'c\\d{e}[f],(g) \t\r\n%s $body$ \u2028 \U0001F600 ü'""",
    "repeat('long ', 3000)",
)
_JSON_TEXTS = (
    "null",
    '"null"',
    '""',
    '"a"',
    "true",
    "0",
    "-0",
    "-0.0",
    "1.50",
    "1e2",
    "12345678901234567890.12345678901234567890",
    "{}",
    "[]",
    '{"b": [1.50, null, {"c": {}}], "a": {"d": "e"}}',
    r'"\u00e9\ud83d\ude00\n"',
)
_GEOMETRY = {
    "point": ("(1.5,-2)", "(-0,0.1)", "(NaN,Infinity)", "(1e300,5e-324)"),
    "lseg": ("[(0,0),(1,1)]", "[(0.1,0.2),(0.30000000000000004,-0)]"),
    "path": ("((0,0),(1,1))", "[(0,0),(1,1),(2,0)]", "[(1,2)]"),
    "box": ("(1,1),(0,0)", "(0.1,0.2),(-0.3,-0.4)"),
    "polygon": ("((0,0),(1,1),(2,0))", "((0.1,0.2))"),
    "line": ("{1,2,3}", "{0.1,-1,0}"),
    "circle": ("<(0,0),1>", "<(0.1,0.2),0.30000000000000004>"),
}
_RANGES = {
    "int4": ("[1,5)", "[-2147483648,2147483647)", "(,3]"),
    "int8": ("[1,5]", "[-9223372036854775808,9223372036854775807)"),
    "num": ("[1.0,2.00)", "(1.00,2.0]", "[NaN,NaN]", "(-Infinity,Infinity)"),
    "ts": ("[2026-01-01 00:00,)", "(-infinity,infinity]", "[0044-03-15 12:00 BC,)"),
    "tstz": ("[2026-01-01 00:00:00.000001+02,)", "[-infinity,infinity)"),
    "date": ("[2026-01-01,2026-02-01)", "[0044-03-15 BC,infinity)", "(,)"),
}


def _texts(*texts: str) -> tuple[str, ...]:
    return tuple(literal(each) for each in texts)


SAMPLES: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "bytea": (
        *_texts("", r"\x00ff", r"\x5c27220a0d", r"\x6e756c6c"),
        "convert_to(repeat('bytes ', 3000), 'UTF8')",
    ),
    '"char"': ("'a'", "''", r"'\'", "'\"'", "' '"),
    "name": ("'a'", "''", "repeat('n', 63)", "'a\"b.c'"),
    "bigint": ("9223372036854775807", "(-9223372036854775808)", "9007199254740993", "0"),
    "smallint": ("32767", "(-32768)", "0"),
    "integer": ("2147483647", "(-2147483648)", "0"),
    "int2vector": ("''", "'1 2 -3'", "'7'"),
    "oidvector": ("''", "'1 4294967295'"),
    "text": _WEIRD_TEXTS,
    "character varying": _WEIRD_TEXTS,
    "character": (*_WEIRD_TEXTS, "'blanks   '"),
    "refcursor": _WEIRD_TEXTS,
    "json": _texts(
        *_JSON_TEXTS,
        ' { "a" :1 , "a" : 2 }\n',
        r'{"a": "\u0000"}',
        r'"\ud800"',
        "[1,  2]",
        "1E+2",
        " null ",
        "1.0e-400",
    ),
    "jsonb": _texts(*_JSON_TEXTS),
    "xml": _texts("<a b='c'>&lt;\"d\"</a>", "text", "<a/> <b/>", ""),
    "real": _texts("0.1", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e+38"),
    "double precision": (
        *_texts("0.1", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308"),
        "0.1::float8 + 0.2::float8",
    ),
    "numeric": (
        *_texts("1.0", "1.00", "NaN", "Infinity", "-Infinity", "0.000", "-0.5"),
        *("1e131071::numeric", "1e-16383::numeric", "12345678901234567890.1234567890"),
    ),
    "money": _texts("-92233720368547758.08", "92233720368547758.07", "0.01"),
    "macaddr": _texts("08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"),
    "macaddr8": _texts("08:00:2b:01:02:03:04:05", "08:00:2b:ff:fe:02:03:04"),
    "inet": _texts("10.0.0.1", "10.0.0.1/24", "::ffff:10.0.0.1/128", "2001:db8::1/64", "::/0"),
    "cidr": _texts("10.0.0.0/8", "2001:db8::/32"),
    "aclitem": _texts("pg_monitor=r*w/pg_monitor", "=X/pg_monitor"),
    "date": _texts("2026-02-28", "infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"),
    "time without time zone": _texts("00:00:00.000001", "24:00", "12:34"),
    "time with time zone": _texts("12:00+15:59:59", "24:00-15:59", "00:00:00.1+00"),
    "timestamp without time zone": _texts(
        *("2026-03-29 02:30", "infinity", "-infinity"),
        *("4713-01-01 00:00:00.1 BC", "294276-12-31 23:59:59.999999"),
    ),
    "timestamp with time zone": _texts(
        *("2026-03-29 02:30:00.123456+01", "infinity", "-infinity"),
        *("4713-01-01 00:00:00.1+00 BC", "294276-12-31 23:59:59.999999+00"),
    ),
    "interval": _texts(
        *("1 year -2 mons 3 days -04:05:06.789", "0", "-1 day +24:00", "24:00", "1 day"),
        *("178000000 years", "-178000000 years", "1 mon -30 days", "-0.000001 sec"),
        *("-1 mon +1 day -0.5 sec", "2147483647:59:59.999999"),
    ),
    "bit": _texts("0", "1"),
    "bit varying": _texts("", "0101", "1" * 300),
    "uuid": _texts("0C1E9B1E-0000-4000-8000-00000000000A", "00000000-0000-0000-0000-000000000000"),
    "oid": _texts("0", "4294967295"),
    "tid": _texts("(0,1)", "(4294967295,65535)"),
    "xid": _texts("4294967295", "3"),
    "cid": _texts("4294967295", "0"),
    "xid8": _texts("18446744073709551615", "3"),
    "pg_lsn": _texts("FFFFFFFF/FFFFFFFF", "0/0"),
    "pg_snapshot": _texts("10:20:10,14", "10:10:"),
    "txid_snapshot": _texts("10:20:10,14", "10:10:"),
    "tsvector": _texts("", "a:1A 'it''s':2,3B \"q\" '\\\\':4"),
    "tsquery": _texts("", "a & !b | (c <-> d:*A)", "'it''s' <3> 'x y'"),
    "jsonpath": _texts('$.a[*] ? (@.b == "x\\"y")', "strict $", '$."null"'),
    "regproc": _texts("pg_catalog.now", "-", "4294967295"),
    "regprocedure": _texts("pg_catalog.now()", "pg_catalog.format(text)", "-"),
    "regoper": _texts("|/", "0"),
    "regoperator": _texts("+(integer,integer)", "0"),
    "regclass": _texts("pg_class", "information_schema.tables", "-", "4294967295"),
    "regtype": _texts("integer", '"char"', "timestamp with time zone", "text[]", "-"),
    "regconfig": _texts("english", "-"),
    "regdictionary": _texts("simple", "-"),
    "regnamespace": _texts("pg_catalog", "information_schema", "-"),
    "regrole": _texts("pg_monitor", "-"),
    "regcollation": _texts('"C"', '"default"', "-"),
    "regdatabase": _texts("template1", "-"),
    **{name: _texts(*each) for name, each in _GEOMETRY.items()},
    **{f"{name}range": _texts(*each, "empty", "(,)") for name, each in _RANGES.items()},
    **{
        f"{name}multirange": _texts("{}", "{(,)}", *(f"{{{each}}}" for each in of_it))
        for name, of_it in _RANGES.items()
    },
}
"""Values of each built-in type that a text can be read as. The first is also an element of an
array."""

WITHOUT_INPUT = {
    "pg_node_tree": "(select adbin from pg_catalog.pg_attrdef limit 1)",
    "pg_ndistinct": None,
    "pg_dependencies": None,
    "pg_mcv_list": None,
    "pg_brin_bloom_summary": None,
    "pg_brin_minmax_multi_summary": None,
    "gtsvector": None,
}
"""Types whose values the server makes and reads from no text; an expression that gives one, where
an ordinary role has any."""

WITHOUT_WAY_BACK = "types without input"
"""The table of these: what it held is recorded as text, from which the server makes no row."""

USER_TYPES = (
    f"create type {S}.\"co'lour, {{}}\" as enum ('red', 'blue', '', 'it''s \"a\", (b) {{c}}')",
    f"create domain {S}.paint as {S}.\"co'lour, {{}}\" check (value is distinct from '')",
    f"create domain {S}.palette as {S}.paint[]",
    f"create domain {S}.small as smallint check (value < 1000)",
    f"create domain {S}.document as json",
    f'create type {S}."pa.ir" as ("te xt" text, "n,1" numeric, at timestamptz, raw bytea)',
    f'create type {S}.nest as (one {S}."pa.ir", many {S}."pa.ir"[], paint {S}.paint, doc json)',
    f"create domain {S}.strict_nest as {S}.nest check ((value).doc::text is distinct from '1')",
    f"create type {S}.span as range (subtype = float8, subtype_diff = float8mi)",
    f'create type {S}.lengths as range (subtype = text, collation = "C")',
)
_PAIR = f"""row(E'a"b\\'(,){{}}\\\\', 1.00, '2026-01-02 03:04+02', '\\x00ff')::{S}."pa.ir\""""
_NEST = (
    f"row({_PAIR}, array[{_PAIR}, null, row(null, null, null, null)::{S}.\"pa.ir\"], 'red', "
    f"' [1 ] ')::{S}.nest"
)
USER_SAMPLES: dict[str, tuple[str, ...]] = {
    f'{S}."co\'lour, {{}}"': ("'red'", "'blue'", "''", "'it''s \"a\", (b) {c}'"),
    f'{S}."co\'lour, {{}}"[]': ("array['red', null, '', 'it''s \"a\", (b) {c}']", "'{}'"),
    f"{S}.paint": ("'red'", "'blue'"),
    f"{S}.palette": ("array['red', 'blue']", "'[0:1]={red,NULL}'", "'{}'"),
    f"{S}.small": ("999", "(-1)"),
    f"{S}.document": ("' {\"a\" : 1}'", "'null'", "'\"a\"'"),
    f"{S}.document[]": ("array['null', ' 1', null, '\"a\"']", "'{}'"),
    f'{S}."pa.ir"': (_PAIR, "row(null, null, null, null)", "row('', 'NaN', 'infinity', '')"),
    f'{S}."pa.ir"[]': (f"array[{_PAIR}, null]", "'{}'", f"array[array[{_PAIR}], array[null]]"),
    f"{S}.nest": (_NEST, "row(null, null, null, null)"),
    f"{S}.nest[]": (f"array[{_NEST}, null]", "'{}'"),
    f"{S}.strict_nest": (_NEST,),
    f"{S}.span": ("'[0.1,0.30000000000000004)'", "'(,)'", "'empty'", "'[NaN,NaN]'"),
    f"{S}.lengths": ("""'["a,b","c\\\\d")'""", "'[\"\",)'"),
}


EXTENSION_SAMPLES: dict[str, dict[str, tuple[str, ...]]] = {
    "citext": {"public.citext": ("'a'", "'A'", "''")},
    "cube": {"public.cube": ("'(0.1,2),(3,4)'", "'(1)'")},
    "hstore": {"public.hstore": ('\'a=>NULL, "b,c"=>"d\\"e"\'', "''")},
    "isn": {"public.isbn13": ("'978-0-393-04002-9'",), "public.ean13": ("'9780393040029'",)},
    "ltree": {"public.ltree": ("'a.b'", "''"), "public.lquery": ("'*.b*{1,2}.!c'",)},
    "seg": {"public.seg": ("'1.0 .. 2.00'", "'< 3e1'")},
    "vector": {"public.vector": ("'[0.1,-0,3]'",), "public.vector(2)": ("'[1,2]'",)},
}
"""Values of types of extensions, where a server comes with these."""


def base_types(connection: Connection) -> list[str]:
    """Every base type, range and multirange of pg_catalog that a column can have; no arrays."""
    return values(
        connection,
        """
        select format_type(t.oid, null) from pg_catalog.pg_type as t
        where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm')
            and t.typisdefined and t.typname !~ '^_'
        order by t.oid
        """,
    )


def usable_samples(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The samples of the types that this server has and can read."""
    version = connection.info.server_version
    found = {
        name: SAMPLES[name]
        for name in base_types(connection)
        if name in SAMPLES and _is_readable(connection, f"select {SAMPLES[name][0]}::{name}")
    }
    if version >= 150000:
        # 14 writes it, and does not read it.
        found["interval"] += _texts("2562047788:00:54.775807")
    if version >= 170000:
        found["interval"] += _texts("infinity", "-infinity")
    return found


def _is_readable(connection: Connection, query: str) -> bool:
    # A server may be built without XML.
    try:
        with connection.transaction():
            run(connection, query)
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


# Tables.


def _typed(name: str, samples: Mapping[str, tuple[str, ...]], options: str = "") -> Table:
    """A table with a column of each type, and as many rows as the longest list of samples."""
    count = max(len(each) for each in samples.values())
    path = f"{S}.{quoted(name)}"
    columns = ", ".join(f"c{n} {type_name}" for n, type_name in enumerate(samples))

    def sample(type_name: str, place: int) -> str:
        of_it = (*samples[type_name], "null")
        return f"({of_it[place % len(of_it)]})::{type_name}"

    def inserted(first: int) -> tuple[str, ...]:
        return tuple(
            f"insert into {path} values ({first + n}, "
            + ", ".join(sample(type_name, n) for type_name in samples)
            + ")"
            for n in range(count + 1)
        )

    return Table(
        name,
        (f"create table {path} (id integer primary key, {columns})",),
        {
            "insert": inserted(0),
            "update": tuple(
                f"update {path} set "
                + ", ".join(f"c{i} = {sample(each, n + 1)}" for i, each in enumerate(samples))
                + f" where id = {n}"
                for n in range(0, count + 1, 2)
            )
            # One column at a time, so that the others must come from elsewhere.
            + tuple(f"update {path} set c{n} = null where id = 1" for n in range(len(samples))),
            "key": (f"update {path} set id = id + 1000",),
            "delete": (f"delete from {path} where id % 3 = 1",),
            "truncate": (f"truncate {path}",),
            "again": inserted(1000),
        },
        options=options,
    )


def _arrays(samples: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Arrays of each type: with null, empty, of two dimensions, and not beginning at 1."""
    made: dict[str, tuple[str, ...]] = {}
    for name, of_it in samples.items():
        first, last = f"({of_it[0]})::{name}", f"({of_it[-1]})::{name}"
        made[f"{name}[]"] = (
            f"array[{first}, null, {last}]",
            "'{}'",
            f"array[array[{first}, {last}], array[null, {first}]]",
            f"array_fill({last}, array[2], array[0])",
            f"array_fill(null::{name}, array[1, 2], array[1, -3])",
            f"(array[{first}, {last}, {first}])",
        )
    return made


def _simple(
    name: str,
    columns: str,
    *,
    insert: str | Iterable[str],
    update: str = "",
    key: str = "",
    delete: str = "true",
    made_by: Iterable[str] = (),
    has_key: bool = True,
    options: str = "",
    again: bool = True,
) -> Table:
    """A table whose acts are said by what is particular to it; ``{}`` in made_by is its path."""
    path = f"{S}.{quoted(name)}"
    inserts = (insert,) if isinstance(insert, str) else tuple(insert)
    filled = tuple(f"insert into {path} {each}" for each in inserts)
    return Table(
        name,
        (f"create table {path} {columns}", *(each.replace("{}", path) for each in made_by)),
        {
            "insert": filled,
            "update": (f"update {path} set {update}",) if update else (),
            "key": (f"update {path} set {key}",) if key else (),
            "delete": (f"delete from {path} where {delete}",),
            "truncate": (f"truncate {path} cascade",) if again else (),
            "again": filled if again else (),
        },
        has_key,
        options,
    )


NAMES = (
    'double"quote',
    "single'quote",
    "percent%s%%d%1$I%L",
    "back\\slash\\",
    "curly{}bracket[]",
    "dot.dot",
    "comma,semi;colon",
    "trailing space ",
    " ",
    "dollar$body$$",
    "select",
    "new",
    "old",
    "v_before",
    "Ünïcödé ☃",
    "-- comment",
    "/* comment",
    "line\nbreak",
    "x" * 63,
    "é" * 31 + "x",
    "row",
    "id",
    "tg_op",
    "null",
)


def _named() -> list[Table]:
    """For each name a table that bears it, and whose key and column bear it and its neighbour."""
    made: list[Table] = []
    for place, name in enumerate(NAMES):
        key, other = quoted(name), quoted(NAMES[place - 1])
        made.append(
            _simple(
                name,
                f"({other} text, {key} text primary key, last numeric)",
                insert=f"values ('a', 'k', 1.0), (null, {literal(name)}, 2)",
                update=f"{other} = coalesce({other}, '') || 'b', last = 1.00",
                key=f"{key} = {key} || 'x'",
                delete=f"{key} = 'kx'",
            )
        )
    return made


SWAPPED = "swapped keys"


def _keyed() -> list[Table]:
    """Tables whose keys are awkward."""
    each = (
        "values (1, 'a', 'x', 0), (1, 'b', 'x', 0), (2, 'a', E'\"}\\',{\\\\', 0), (3, '', '', null)"
    )
    typed = {
        f'{S}."co\'lour, {{}}"': ("'red'", "''", "'blue'"),
        f"{S}.small": ("1", "2", "3"),
        f'{S}."pa.ir"': (_PAIR, "row('', 1, '2026-01-01 00:00+00', '')", "row('', 2, null, '')"),
        "bytea": (r"'\x00'", "''", r"'\xff'"),
        "timestamptz": ("'2026-01-01 00:00:00.000001+02'", "'infinity'", "'2026-01-01 00:00+00'"),
        "daterange": ("'[2026-01-01,)'", "'empty'", "'[2026-01-02,)'"),
        "text[]": ("array['a', null, '']", "'{}'", "'[0:0]={a}'"),
        "jsonb": ('\'{"id": "1"}\'', "'null'", "'\"null\"'"),
        "text": ('\'{"k": "1"}\'', "'[]'", "'sha256:'"),
        "char(4)": ("'a'", "'b'", "'c'"),
        "boolean": ("true", "false", None),
        "interval": ("'1 day -00:00:01'", "'1 mon'", "'-1 mon'"),
        "inet": ("'10.0.0.1'", "'10.0.0.1/24'", "'::1'"),
        "uuid": (
            *("'0C1E9B1E-0000-4000-8000-00000000000A'", "'0C1E9B1E-0000-4000-8000-00000000000B'"),
            "'0C1E9B1E-0000-4000-8000-00000000000C'",
        ),
        "bigint": ("9007199254740993", "9007199254740992", "-1"),
    }
    return [
        # Declared in another order than the columns stand, beside a column that is gone.
        _simple(
            "composite key",
            '(b integer, gone text, a text, "c d" text, n integer, primary key ("c d", a, b))',
            insert=f'(b, a, "c d", n) {each}',
            update="n = coalesce(n, 0) + 1",
            key="b = b + 10, a = a || '!'",
            delete="b = 11",
            made_by=("alter table {} drop column gone",),
        ),
        # A key of as many columns as an index may have.
        _simple(
            "wide key",
            "("
            + ", ".join(f"k{n} integer not null default {n}" for n in range(32))
            + ", v text, primary key ("
            + ", ".join(f"k{n}" for n in reversed(range(32)))
            + "))",
            insert="(k31, v) values (1, 'a'), (2, 'b')",
            update="v = v || v",
            key="k31 = k31 + 10, k0 = 7",
            delete="k31 = 11",
        ),
        # Keys change places within one statement: who was who before can not be told.
        _simple(
            SWAPPED,
            "(id integer primary key deferrable, v text)",
            insert="values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
            update="v = upper(v) where id < 4",
            key="id = id % 3 + 1 where id < 4",
            delete="id = 2",
        ),
        # Equal keys that read otherwise.
        _simple(
            "key scale",
            "(k numeric primary key, v text)",
            insert="values (1.0, 'a'), (2.0, 'b'), ('NaN', 'c')",
            update="v = v || v",
            key="k = k + 0.00 where k < 2",
            delete="k = 2",
        ),
        _simple(
            "key sign",
            "(k float8 primary key, v text)",
            insert="values ('-0', 'a'), (1e300, 'b'), ('NaN', 'c')",
            update="v = v || v",
            key="k = 0 where k = 0",
            delete="k > 1",
        ),
        # A key longer than what the log takes as a name.
        _simple(
            "key length",
            "(k text primary key, v text)",
            insert=(
                "select string_agg(md5((n * l)::text), ''), l::text "
                "from generate_series(1, 80) as n, generate_series(1, 3) as l group by l",
                "values ('short', 'x')",
            ),
            update="v = v || v",
            key="k = substr(k, 2)",
            delete="v = '11'",
        ),
        *(
            _simple(
                f"key {type_name}",
                f"(v text, k {type_name} primary key)",
                insert=f"values ('a', {one}), ('b', {two})",
                update="v = v || v",
                key=f"k = {three} where v = 'aa'" if three else "k = not k where false",
                delete="v = 'bb'",
            )
            for type_name, (one, two, three) in typed.items()
        ),
    ]


def _shaped(version: int) -> list[Table]:
    """Tables that are awkward as a whole."""
    virtual = version >= 180000
    many = ", ".join(
        f"c{n} {('integer', 'text', 'numeric', 'boolean')[n % 4]}" for n in range(1198)
    )
    return [
        _simple(
            "no key",
            "(v text, n numeric)",
            insert="values ('a', 1.0), ('a', 1.0), ('a', 1.00), (null, null), (null, null)",
            update="n = n + 1 where v = 'a'",
            delete="v is null",
            has_key=False,
        ),
        _simple("no columns", "()", insert=("default values",) * 2, has_key=False),
        _simple(
            "key named later",
            "(a text not null, b integer not null, v text)",
            insert="values ('x', 1, 'a'), ('x', 2, 'b'), ('y', 1, 'c')",
            update="v = v || v",
            key="a = a || a",
            delete="b = 2",
            options=", _key_columns => '{b,a}'",
        ),
        # Half of its keys have gone by, so that they are found in the columns of the end.
        _simple(
            "1200 columns",
            f"({many}, id integer primary key, last text)",
            insert="(id, c0, c1, c2, c1197, last) values (1, 7, 'a', 1.50, 'z', null), "
            "(2, null, null, null, null, 'l')",
            update="c1197 = c1197 || c1197, c600 = 600, c3 = true",
            key="id = id + 10",
            delete="id = 11",
        ),
        _simple(
            "dropped and added",
            "(gone integer, id integer primary key, gone_as_well text default 'g', v text)",
            insert="(id, v) values (1, 'a'), (2, 'b')",
            update="v = v || v, added = default",
            key="id = id + 10",
            delete="id = 11",
            made_by=(
                "insert into {} values (0, 100, 'g', 'v')",
                "alter table {} drop column gone, drop column gone_as_well",
                "alter table {} add column added text default 'added later', "
                "add column more numeric not null default 1.50",
            ),
        ),
        *(
            _simple(
                name,
                "(twice integer generated always as (2 * n) stored, "
                + ("thrice integer generated always as (3 * n) virtual, " if virtual else "")
                + "n integer, id integer, code text generated always as ('c' || id) stored, "
                + ("shown text generated always as (upper(label)) virtual, " if virtual else "")
                + "label text, primary key (code, id))",
                insert="(n, id, label) values (1, 1, 'a'), (null, 2, null), (3, 3, 'c')",
                update="n = coalesce(n, 0) + 1, label = label || 'x'",
                key="id = id + 10",
                delete="id = 12",
                options=options,
            )
            for name, options in (("generated", ""), ("generated in full", FULL))
        ),
        _simple(
            "identity",
            "(a integer generated always as identity, b integer generated by default as identity, "
            "s serial, v text, primary key (a))",
            insert=(
                "(v) values ('a'), ('b')",
                "(a, b, v) overriding system value values (-1, -1, 'c')",
            ),
            update="v = v || v, b = default",
            key="a = default where a = -1",
            delete="v = 'bb'",
            again=False,
        ),
        _simple(
            "kept apart",
            "(id integer primary key, n integer, external text, bytes bytea, main text)",
            insert="select g, g, (select string_agg(md5((i * g)::text), '') "
            "from generate_series(1, 2000) as i), "
            "convert_to(repeat('raw', 5000), 'UTF8'), repeat('m', 30000) "
            "from generate_series(1, 3) as g",
            update="n = n + 1, external = case when id = 2 then external || 'x' else external end",
            key="id = id + 10",
            delete="id = 13",
            made_by=(
                "alter table {} alter column external set storage external, "
                "alter column main set storage main",
            ),
        ),
        _simple(
            "booking",
            "(id integer primary key, during tstzrange, seats int4range, "
            "exclude using gist (during with &&), "
            "exclude using gist (seats with &&) deferrable initially deferred)",
            insert="values (1, '[2026-01-01 00:00+00,2026-01-02 00:00+00)', '[1,5)'), "
            "(2, '[2026-01-02 00:00+00,)', '[5,9)'), (3, 'empty', 'empty')",
            # They overlap for a moment.
            update="seats = case id when 1 then int4range(5, 9) when 2 then int4range(1, 5) end",
            key="id = 10 - id",
            delete="id = 9",
        ),
        Table(
            "typed table",
            (
                f"create type {S}.row_type as (a integer, b text)",
                f'create table {S}."typed table" of {S}.row_type (primary key (a))',
            ),
            {
                "insert": (f"insert into {S}.\"typed table\" values (1, 'a'), (2, null)",),
                "update": (f"update {S}.\"typed table\" set b = 'c'",),
                "key": (f'update {S}."typed table" set a = a + 10',),
                "delete": (f'delete from {S}."typed table" where a = 11',),
            },
        ),
        *(
            Table(
                name,
                (f"create table {S}.{name} {columns}",),
                {
                    "insert": (f"insert into {S}.{name} values (1, 'a'{more})",),
                    # Through the parent, to the rows of both.
                    "update": (f"update {S}.parent set v = v || 'b'",) if name == "heir" else (),
                    "key": (f"update only {S}.{name} set id = id + 10",),
                    "delete": (f"delete from only {S}.{name}",),
                    "again": (f"insert into {S}.{name} values (2, 'c'{more})",),
                },
            )
            for name, columns, more in (
                ("parent", "(id integer primary key, v text)", ""),
                ("heir", f"(extra numeric, primary key (id)) inherits ({S}.parent)", ", 1.0"),
            )
        ),
        _simple(
            "secured",
            "(id integer primary key, owner name default current_user, v text)",
            insert="(id, v) values (1, 'a'), (2, 'b')",
            update="v = v || v",
            key="id = id + 10",
            delete="id = 11",
            made_by=(
                "alter table {} enable row level security",
                "create policy own on {} using (owner = current_user)",
            ),
            # Its rows are hidden from whom a truncate is recorded by.
            again=False,
        ),
    ]


def _related() -> list[Table]:
    """Tables whose foreign keys change other rows, or are checked at the end."""
    hub = f"{S}.hub"
    children = (
        ("of cascade", "on delete cascade on update cascade"),
        ("of null", "on delete set null on update set null"),
        ("of default", "on delete set default on update set default"),
        ("of none", "on update cascade deferrable initially deferred"),
    )
    return [
        _simple(
            "hub",
            "(id integer primary key, v text, next integer)",
            # Each row refers to the one that comes after it.
            insert="values (1, 'a', 2), (2, 'b', 3), (3, 'c', 4), (4, 'd', null), (0, 'z', 1)",
            update="v = v || v",
            key="id = id + case id when 0 then 0 else 10 end, next = next + 10",
            delete="id in (11, 12)",
            made_by=(
                "alter table {} add foreign key (next) references {} (id) on delete set null "
                "deferrable initially deferred",
            ),
        ),
        *(
            _simple(
                name,
                f"(id integer primary key, hub_id integer default 0 references {hub} {does})",
                insert="values (1, 1), (2, 2), (3, 3), (4, null)"
                if name != "of none"
                else "values (1, 3), (2, 4), (3, 3), (4, null)",
                update="hub_id = hub_id where id = 1 or hub_id is null",
                delete="id = 3",
            )
            for name, does in children
        ),
        _simple(
            "hen",
            "(id integer primary key, egg integer not null)",
            insert="values (1, 1), (2, 2)",
            update="egg = 3 - egg",
            key="id = id + 10",
            delete="true",
        ),
        _simple(
            "egg",
            f"(id integer primary key, hen integer not null references {S}.hen "
            "on update cascade deferrable initially deferred)",
            insert="values (1, 1), (2, 2)",
            update="hen = 13 - hen where false",
            key="id = id + 10",
            delete="true",
            made_by=(
                f"alter table {S}.hen add foreign key (egg) references {{}} "
                "on update cascade deferrable initially deferred",
            ),
        ),
    ]


PARTITIONED = {"part titioned": "", "fully parted": FULL}


def _partitioned(name: str, options: str) -> Table:
    """By list, then range, then hash; leaves whose columns stand otherwise, or are gone."""
    path = f"{S}.{quoted(name)}"

    def part(suffix: str) -> str:
        return f"{S}.{quoted(f'{name}.{suffix}')}"

    made_by = (
        f"create table {path} (gone integer, area text, day date, n integer, v numeric, w text, "
        "primary key (n, area, day)) partition by list (area)",
        f"alter table {path} drop column gone",
        f"create table {part('north')} partition of {path} for values in ('north', '') "
        "partition by range (day)",
        f"create table {part('north 26')} partition of {part('north')} "
        "for values from ('2026-01-01') to ('2027-01-01') partition by hash (n)",
        f"create table {part('north 26 0')} partition of {part('north 26')} "
        "for values with (modulus 2, remainder 0)",
        f"create table {part('north 26 1')} (w text, gone text, v numeric, n integer not null, "
        "gone_as_well date, day date not null, area text not null)",
        f"alter table {part('north 26 1')} drop column gone, drop column gone_as_well",
        f"alter table {part('north 26')} attach partition {part('north 26 1')} "
        "for values with (modulus 2, remainder 1)",
        f"create table {part('north rest')} partition of {part('north')} default",
        f"create table {part('south')} (v numeric, w text, day date not null, n integer not null, "
        "area text not null, gone integer) partition by hash (n)",
        f"alter table {part('south')} drop column gone",
        f"create table {part('south 0')} (day date not null, n integer not null, "
        "area text not null, v numeric, w text)",
        f"alter table {part('south')} attach partition {part('south 0')} "
        "for values with (modulus 1, remainder 0)",
        f"alter table {path} attach partition {part('south')} for values in ('south')",
        f"create table {part('rest')} partition of {path} default",
    )
    fill = (
        f"insert into {path} (area, day, n, v, w) "
        "select area, day, n, n / 3.0, area || n "
        "from unnest(array['north', '', 'south', 'west']) as area, "
        "unnest(array['2026-05-01', '2025-01-01', 'infinity']::date[]) as day, "
        "generate_series(1, 4) as n"
    )
    return Table(
        name,
        made_by,
        {
            "insert": (
                fill,
                # Into leaves themselves.
                f"insert into {part('north 26')} (area, day, n) values ('north', '2026-06-01', 9)",
                f"insert into {part('south 0')} (area, day, n, v) values ('south', '-infinity', "
                "9, 1.50)",
            ),
            "update": (
                f"update {path} set v = v + 0.10, w = nullif(w, 'north1') where n < 4",
                f"update {part('south 0')} set w = 'leaf' where n = 4",
            ),
            "key": (
                # From leaf to leaf, by each way of parting.
                f"update {path} set area = 'south', n = n + 50 where area = 'west' and n < 3",
                f"update {path} set day = '2025-02-02' where area = 'north' and n = 1 "
                "and day = '2026-05-01'",
                f"update {path} set n = n + 100 where n in (2, 3)",
            ),
            "delete": (
                f"delete from {path} where n > 100 and area = 'south'",
                f"delete from {part('north 26')} where n = 9",
            ),
            "truncate": (f"truncate {part('north 26')}", f"truncate {path}"),
            "again": (fill,),
        },
        options=options,
    )


def _tables(connection: Connection) -> list[Table]:
    version = connection.info.server_version
    samples = usable_samples(connection)
    extensions = values(connection, "select extname from pg_extension")
    of_extensions = {
        type_name: of_it
        for name, types in EXTENSION_SAMPLES.items()
        if name in extensions
        for type_name, of_it in types.items()
    }
    without_input = {
        name: (expression,)
        for name, expression in WITHOUT_INPUT.items()
        if expression is not None and name in base_types(connection)
    }
    return [
        _typed("types", samples),
        _typed("arrays", _arrays(samples)),
        _typed("types of users", USER_SAMPLES),
        _typed("types of limited length", LIMITED),
        _typed("types in full", {**samples, **USER_SAMPLES, **LIMITED}, FULL),
        *([_typed("types of extensions", of_extensions)] if of_extensions else []),
        _typed(WITHOUT_WAY_BACK, without_input),
        *_named(),
        *_keyed(),
        *_shaped(version),
        *_related(),
        *(_partitioned(name, options) for name, options in PARTITIONED.items()),
    ]


LIMITED: dict[str, tuple[str, ...]] = {
    "varchar(3)": ("'a'", "''", "'abc'"),
    "char(5)": ("'a'", "''", "'\"null'"),
    "char(5)[]": ("array['a', null, 'b  ']", "'{}'"),
    "numeric(5,2)": ("1", "999.99", "'NaN'"),
    "bit(5)": ("'10101'", "'00000'"),
    "varbit(5)": ("''", "'101'"),
    "timestamptz(0)": ("'2026-01-01 00:00:01+00'", "'infinity'"),
    "interval(3)": ("'1.234 sec'", "'-1 day'"),
    "interval year to month": ("'1 year 2 mons'", "'-1 mon'"),
    "time(2)": ("'01:02:03.45'", "'24:00'"),
    "float(10)": ("0.1", "'-0'"),
    "json[]": ("array['null', ' 1', null, '{\"a\" : 1}']::json[]", "'{}'"),
    "jsonb[]": ("array['null', '1.50', null, '\"null\"']::jsonb[]", "'{}'"),
}
"""Types with a modifier, which an image must not be cut by, and arrays of JSON with each null."""


def add_extensions(superuser: Connection) -> None:
    """Makes the extensions that the server comes with and the play has a part for."""
    for name in values(superuser, "select name from pg_available_extensions order by name"):
        if name in EXTENSION_SAMPLES:
            run(superuser, f"create extension {name} schema public")


def perform(connection: Connection) -> Play:
    """Makes the schema, tracks every table of it and plays all acts. The connection commits."""
    run(connection, f"create schema {S}")
    connection.execute("create schema kept")
    for statement in USER_TYPES:
        run(connection, statement)
    tables = _tables(connection)
    for table in tables:
        for statement in table.made_by:
            run(connection, statement)
    for table in tables:
        path = literal(table.path)
        run(connection, f"select chronicle.enable_tracking({path}::regclass{table.options})")
    play = Play(connection, tables)
    _keep(play, "before")
    for act in ACTS:
        with connection.transaction():
            for table in tables:
                for statement in table.acts.get(act, ()):
                    try:
                        run(connection, statement)
                    except psycopg.Error as error:
                        error.add_note(f"{act}: {statement[:500]}")
                        raise
        _keep(play, act)
    return play


def _keep(play: Play, act: str) -> None:
    play.moments[act] = value(play.connection, "select clock_timestamp()")
    with play.connection.transaction():
        for table in play.tables:
            # The rows of a partitioned table are in others; those of heirs are not the parent's.
            only = "" if table.name in PARTITIONED else "only"
            run(
                play.connection,
                f"create table {play.kept(act, table)} as select * from {only} {table.path}",
            )


def differences(connection: Connection, one: str, other: str) -> list[tuple[str, str]]:
    """Rows of two queries that are not the same, byte for byte, whatever order they come in."""
    numbered = (
        "select r, row_number() over (order by r using operator(pg_catalog.*<)) as n "
        "from (select row(q.*)::record as r from ({}) as q) as s"
    )
    return rows(
        connection,
        f"""
        select left(a.r::text, 2000), left(b.r::text, 2000)
        from ({numbered.format(one)}) as a full join ({numbered.format(other)}) as b using (n)
        where (a.r operator(pg_catalog.*=) b.r) is not true
        """,
    )
