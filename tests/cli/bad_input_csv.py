"""Bad CSV jobs."""

from __future__ import annotations

import codecs
import io
import unicodedata
import zipfile

from tests.cli.bad_input import GOOD_JOB, A, B, Case, job, row


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def _named(what: str, name: str, says: str) -> Case:
    return row(what, f'{A},"{name}",,', 'column "name": ', says)


CSV_JOBS: tuple[Case, ...] = (
    # files that are no text
    job("an empty file", "", "job.csv: the file is empty", process=True),
    job(
        "a file of blank lines",
        "\n\n \n",
        "job.csv: there is no header; the first line must name the columns",
    ),
    job("a file of comments", "# one\n# two\n", "job.csv: there is no header"),
    job("bytes of a program", bytes(range(256)), "job.csv:1: this is not text"),
    job(
        "a spreadsheet's workbook",
        _zip(),
        "job.csv: this is an Excel workbook or another zip archive, not text; save",
    ),
    job(
        "an old spreadsheet's workbook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "job.csv: this is an old Excel workbook",
    ),
    job("a PDF", b"%PDF-1.7\n%\xe2\xe3\n", "job.csv: this is a PDF"),
    job(
        "a compressed file",
        b"\x1f\x8b\x08\0\0",
        "job.csv: this is compressed with gzip; unpack it first",
    ),
    job(
        "a database as a job",
        b"SQLite format 3\0" + bytes(84),
        "job.csv: this is a SQLite database (a ledger?)",
    ),
    job(
        "Latin-1",
        f"batch_id,name\n{A},Zo\xeb\n".encode("latin-1"),
        "job.csv:2: byte 0xEB (character 40 of the line) is not UTF-8; save the file as UTF-8",
        process=True,
    ),
    job(
        "UTF-16 without a mark",
        GOOD_JOB.encode("utf-16-le"),
        "job.csv:1: this is not text, or it is UTF-16 without a byte",
    ),
    job(
        "UTF-32",
        codecs.BOM_UTF32_LE + GOOD_JOB.encode("utf-32-le"),
        "job.csv: this is UTF-32; save it as UTF-8",
    ),
    job(
        "UTF-16 that is cut off",
        GOOD_JOB.encode("utf-16")[:-1],
        "job.csv:3: byte 0x0A",
        "is not UTF-16",
    ),
    job("UTF-8 that is cut off", f"batch_id,name\n{A},€".encode()[:-1], "job.csv:2: byte 0xE2"),
    job("a NUL", f"batch_id,name\n{A},a\0b\n", "job.csv:2: this is not text"),
    job(
        "a NUL far down",
        "batch_id\n" + "# c\n" * 2000 + f"{A}\0\n",
        "job.csv:2002: character 37 of the line is a NUL",
    ),
    job(
        "a line without end",
        "batch_id\n" + "x" * 2_000_000,
        "job.csv:2: the line is longer than 1,048,576 characters",
    ),
    job(
        "a web page",
        "<!DOCTYPE html>\n<html></html>\n",
        'job.csv:1: unknown column "<!DOCTYPE html>"',
    ),
    # headers
    job("no header", f"{A},Wave\n", "job.csv:1: there is no header"),
    job("no column batch_id", "name,copies\nWave,2\n", 'job.csv:1: there is no column "batch_id"'),
    job(
        "a misspelt column",
        f"batch_id,nmae\n{A},Wave\n",
        'unknown column "nmae"; did you mean "name"?',
        process=True,
    ),
    job(
        "a column in capitals",
        f"BATCH_ID\n{A}\n",
        'unknown column "BATCH_ID"; did you mean "batch_id"?',
    ),
    job(
        "an unknown column and a bad row",
        f"batch_id,colour,copies\n{A},red,some\n",
        'job.csv:1: unknown column "colour"',
        'job.csv:2: column "copies": ',
    ),
    job(
        "an unknown column",
        f"batch_id,colour\n{A},red\n",
        'job.csv:1: unknown column "colour"; use batch_id',
    ),
    job(
        "a column twice",
        f"batch_id,copies,copies\n{A},1,2\n",
        'job.csv:1: column "copies" appears twice',
    ),
    job(
        "a setup without a dataset",
        f"batch_id,upload_new_dataset,tasks_per_group\n{A},true,3\n",
        'column "tasks_per_group": a batch without a dataset cannot be set up',
    ),
    job(
        "an own column without a name",
        f"batch_id,x_\n{A},3\n",
        'column "x_" needs a name after "x_"',
    ),
    job(
        "Excel's instruction",
        f"sep=;\nbatch_id;name\n{A};a\n",
        'job.csv:1: this line begins with "sep="',
        "delete this",
    ),
    job(
        "a delimiter that is none",
        f"batch_id|name\n{A}|Wave\n",
        'job.csv:1: the columns are separated by "|"',
    ),
    job(
        "a header where much is wrong",
        "nmae,copies,copies,tasks_per_grop\n",
        "job.csv:1: unknown column",
        'job.csv:1: column "copies" appears twice',
        'unknown column "tasks_per_grop"; did you mean "tasks_per_group"',
        'there is no column "batch_id"',
    ),
    # rows
    row("a cell too many", f"{A},a,,1,b", 'cell 5, "b", has no column'),
    row("a quote that is never closed", f'{A},"a', 'a quote (") is opened here and not closed'),
    row("text behind a closing quote", f'{A},"a"b', 'text follows a closing quote (")'),
    row("a cell without end", f"{A},{'x' * 200_000}", "a cell is longer than 131,072 characters"),
    row("a name without an id", ",Wave", 'column "batch_id": is empty'),
    row("an id that is no id", "wave-1", 'column "batch_id": "wave-1" has 6 characters, not 36'),
    row("an id that is a path", f"../users/{A}", 'contains "/"; give only the id'),
    row("an id with a path behind it", f"{A}/duplicate", 'contains "/"; give only the id'),
    row("an id with a query", f"{A}?x=1", 'contains "?"; give only the id'),
    row("an id with a fragment", f"{A}#top", 'column "batch_id": "0192'),
    row("an id with an escaped slash", "%2e%2e%2f" + A[9:], 'column "batch_id": "%2e%2e%2f'),
    row(
        "an id that is an address",
        f"https://app.prolific.com/batches/{A}",
        "looks like a URL; give only the id",
    ),
    row("an id that is an address elsewhere", "http://169.254.169.254/latest", "looks like a URL"),
    row(
        "an id of a study",
        "65f1a2b3c4d5e6f7a8b9c0d1",
        "looks like the id of a study, project or workspace",
    ),
    row("an id without dashes", A.replace("-", ""), f'write "{A}"'),
    row("an id in braces", f"{{{A}}}", f'write "{A}"'),
    row(
        "an id with a letter O",
        A.replace("0", "O", 1),
        '"O" (character 1) is not a hexadecimal digit',
    ),
    row("an id in fullwidth digits", A.replace("0", "\uff10", 1), "is not a hexadecimal digit"),
    row("an id with a hidden character", A[:18] + "\u200b" + A[19:], 'column "batch_id": '),
    row("an id with a header behind it", f'"{A}\r\nAuthorization: x"', 'column "batch_id": '),
    row(
        "an id that is a failed look-up",
        "#N/A,Wave",
        'column "batch_id": "#N/A" is a spreadsheet\'s error value',
    ),
    row(
        "an id that is a failed look-up, alone",
        "#NV",
        'column "batch_id": "#NV" is a spreadsheet\'s error value',
    ),
    row(
        "an id that is a failed reference",
        '"#BEZUG!",Wave',
        "the lookup or formula in this cell failed",
    ),
    row(
        "an id that became a number", "1.92E+14", "format the column as text and paste the id again"
    ),
    row("two ids in a cell", f'"{A} {B}"', 'column "batch_id": '),
    row(
        "a flag that is a word",
        f"{A},,maybe",
        'column "upload_new_dataset": "maybe" is not true or false',
    ),
    row(
        "a flag that is a number",
        f"{A},,2",
        'column "upload_new_dataset": "2" is not true or false',
    ),
    row(
        "no copies at all",
        f"{A},,,0",
        'column "copies": "0" is out of range; write a number from 1 to 10,000',
    ),
    row("copies below none", f"{A},,,-1", 'column "copies": "-1" is not a whole number'),
    row("too many copies", f"{A},,,10001", 'column "copies": "10001" is out of range'),
    row("copies without end", f"{A},,,{'9' * 5000}", 'column "copies": "999'),
    row(
        "copies with a fraction",
        f"{A},,,3.0",
        'column "copies": "3.0" is not a whole number; write 3',
    ),
    row(
        "copies in thousands",
        f"{A},,,1.000",
        'column "copies": "1.000" may mean 1000 or 1; write the number that',
    ),
    row(
        "copies that are a failed formula",
        f"{A},,,#REF!",
        'column "copies": "#REF!" is a spreadsheet\'s error value',
    ),
    row("copies in words", f"{A},,,two", 'column "copies": "two" is not a whole number'),
    row(
        "copies in other digits", f"{A},,,\u0663", 'column "copies": "\u0663" is not a whole number'
    ),
    row("copies with an exponent", f"{A},,,1e3", 'column "copies": "1e3" is not a whole number'),
    # names
    _named(
        "a placeholder that is none", "{colour}", '"{colour}" (character 1) is not a placeholder'
    ),
    _named(
        "a misspelt placeholder",
        "{sorce_name}",
        '"{sorce_name}" (character 1) is not a placeholder; did you mean',
    ),
    _named("a placeholder without a name", "{}", '"{}" (character 1) is not a placeholder'),
    _named("a placeholder by number", "{0}", '"{0}" (character 1) is not a placeholder'),
    _named(
        "a placeholder with an attribute",
        "{n.__class__}",
        '"{n.__class__}" (character 1) is not a placeholder',
    ),
    _named(
        "a placeholder with an index",
        "{copies[0]}",
        '"{copies[0]}" (character 1) is not a placeholder',
    ),
    _named(
        "a placeholder with spaces",
        "{ n }",
        '"{ n }" (character 1) is not a placeholder; did you mean "{n}"?',
    ),
    _named("a brace that is never closed", "Wave {n", '"{" (character 6) is never closed'),
    _named("a brace that closes nothing", "Wave n}", '"}" (character 7) closes nothing'),
    _named(
        "a number without zeros",
        "{n:3}",
        '"{n:3}" (character 1) is not a valid width; did you mean "{n:03}"?',
    ),
    _named("a number that is too wide", "{n:010}", '"{n:010}" (character 1) is not a valid width'),
    _named("a number without a width", "{n:}", '"{n:}" (character 1) is not a valid width'),
    _named("a number of a billion digits", "{n:0999999999}", "is not a valid width"),
    _named(
        "a time of day in a name",
        "{date:%H}",
        'contains "%H", a time of day; only dates are allowed',
    ),
    _named("a date directive that is none", "{date:%Q}", 'contains "%Q", not a date directive'),
    _named("a date with a lone percent sign", "{date:%d%}", 'ends in a lone "%"'),
    _named("a date without a directive", "{date:YYYY}", "contains no date directive"),
    _named(
        "a format where there is none",
        "{campaign:>9}",
        'takes no format; did you mean "{campaign}"?',
    ),
    _named("a name that is a failed formula", "#REF!", '"#REF!" is a spreadsheet\'s error value'),
    _named(
        "a name on two lines",
        "one\ntwo",
        '"\\n" (character 4) is a control character; a name must be one line of text',
    ),
    _named("a name with an escape", "a\x1b[31mb", '"\\x1b" (character 2) is a control character'),
    _named("a name with a C1 control", "a\x85b", "is a control character"),
    # rows that repeat others
    job(
        "a row that repeats another, and a bad row",
        f"batch_id,name,copies\n{A},Wave,\n{A},Wave,\n{B},Wave,some\n",
        "job.csv:3: this row repeats a duplicate of line 2",
        'job.csv:4: column "copies": ',
    ),
    job(
        "a row twice",
        f"batch_id,name\n{A},Wave\n{B},Wave\n{A},Wave\n",
        "job.csv:4: this row repeats a duplicate of line 2",
        process=True,
    ),
    job(
        "a row twice in other capitals",
        f"batch_id\n{A}\n# c\n{A.upper()}\n",
        "job.csv:4: this row",
        "repeats a duplicate of line 2",
    ),
    job(
        "a row twice in another Unicode form",
        f"batch_id,name\n{A},Café\n{A}, {unicodedata.normalize('NFD', 'Café')} \n",
        "job.csv:3: this row repeats a duplicate of line 2",
    ),
    job(
        "a row twice by its number",
        f"batch_id,name\n{A},Wave 1\n{A},Wave {{n}}\n",
        "job.csv:3: this row",
        "line 2",
    ),
    job(
        "a row twice by its date",
        f"batch_id,name\n{A},{{date:%%}}{{date:%d}}\n{A},%{{date:%d}}\n".replace("{date:%%}", "%"),
        "job.csv:3: this row repeats a duplicate of line 2",
    ),
    job(
        "a row twice with more copies",
        f"batch_id,name,copies\n{A},Wave,5\n{A},Wave,3\n",
        "job.csv:3: this row repeats a duplicate of line 2",
        'the column "copies" of one row',
    ),
    job(
        "a row three times",
        f"batch_id\n{A}\n{A}\n{A}\n",
        "job.csv:3: this row repeats a duplicate of line 2",
        "job.csv:4: this row repeats a duplicate of line 2",
    ),
    # many at once
    job(
        "a row where all is wrong",
        "batch_id,name,upload_new_dataset,copies\nx,{,maybe,0,stray\n",
        'job.csv:2: cell 5, "stray"',
        'job.csv:2: column "batch_id"',
        'job.csv:2: column "name"',
        'job.csv:2: column "upload_new_dataset"',
        'job.csv:2: column "copies"',
    ),
    job(
        "a file where all is wrong",
        "batch_id\n" + "x\n" * 60,
        "job.csv:2: ",
        "job.csv:51: ",
        "… and 10 more problems.",
        process=True,
    ),
    Case(
        "a bad job that is only checked",
        ("job.csv:2: ",),
        "check job.csv",
        {"job.csv": "batch_id\nx\n"},
    ),
    Case(
        "a bad job in a dry run",
        ("job.csv:2: ",),
        "run job.csv --dry-run",
        {"job.csv": "batch_id\nx\n"},
    ),
    Case(
        "a bad job in a rehearsal",
        ("job.csv:2: ",),
        "run job.csv --sandbox",
        {"job.csv": "batch_id\nx\n"},
    ),
    Case(
        "a bad job in silence",
        ("job.csv:2: ",),
        "run job.csv --quiet",
        {"job.csv": "batch_id\nx\n"},
    ),
)
