"""A spreadsheet's error value is never taken for a comment or a name, in whatever language it is
written."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.job.reading import A, B, assert_the_problem, rows_of, written
from worker.job.read import open_job
from worker.model.error_values import begins_with_error_value, is_error_value, why_error_value

WHY = (
    "is a spreadsheet's error value: the lookup or formula in this cell failed; fix it in the"
    " spreadsheet"
)

KNOWN = [
    "#N/A",
    "#REF!",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#BUSY!",
    "#GETTING_DATA",
    "#ERROR!",
    "#NV",
    "#BEZUG!",
    "#WERT!",
    "#ZAHL!",
    "#ÜBERLAUF!",
    "#NOM?",
    "#VALEUR!",
    "#NOMBRE!",
    "#NUL!",
    "#EPARS!",
    "#N/D",
    "#¡REF!",
    "#¿NOMBRE?",
    "#¡VALOR!",
    "#RIF!",
    "#NOME?",
    "#VALORE!",
    "#NULLO!",
    "#NÚM!",
    "#N/B",
    "#VERW!",
    "#NAAM?",
    "#WAARDE!",
    "#DEEL/0!",
    "#GETAL!",
    "#LEEG!",
    "#ADR!",
    "#NAZWA?",
    "#ARG!",
    "#DZIEL/0!",
    "#LICZBA!",
    "#ZERO!",
    "#Н/Д",
    "#ССЫЛКА!",
    "#ИМЯ?",
    "#ЗНАЧ!",
    "#ДЕЛ/0!",
    "#ЧИСЛО!",
    "#ПУСТО!",
    "#SAKNAS!",
    "#REFERENS!",
    "#NAMN?",
    "#VÄRDEFEL!",
    "#DIVISION/0!",
    "#I/T",
    "#VERDI!",
    "#NAVN?",
    "#VÆRDI!",
    "#PUUTTUU!",
    "#VIITTAUS!",
    "#NIMI?",
    "#ARVO!",
    "#JAKO/0!",
    "#NENÍ_K_DISPOZICI",
    "#ODKAZ!",
    "#NÁZEV?",
    "#HODNOTA!",
    "#DĚLENÍ_NULOU!",
    "#HIÁNYZIK",
    "#HIV!",
    "#NÉV?",
    "#ÉRTÉK!",
    "#ZÉRÓOSZTÓ!",
    "#SZÁM!",
    "#YOK",
    "#BAŞV!",
    "#AD?",
    "#DEĞER!",
    "#SAYI/0!",
    "#SAYI!",
    "#BOŞ!",
    "#Δ/Υ",
]
NUMBERED = ["Err:502", "Err:508", "err: 522", "Fehler:511", "Erreur :504", "#ref!", "#n/a"]
SHAPED = ["#NOVÝ!", "#NUEVO/0!", "#¿ALGO?", "#X/Y", "#ІНШЕ!"]
COMMENTS = [
    "# a note",
    "#note",
    "#Wave 1 done!",
    "#",
    "#!",
    "##",
    "#1",
    "#1/2",
    "#done!",
    "# REF!",
    "#REF! is gone",
]


@pytest.mark.parametrize("value", [*KNOWN, *NUMBERED])
def test_error_values_are_known_in_every_language_and_unicode_form(value: str) -> None:
    for spelling in (value, f" {value} ", unicodedata.normalize("NFD", value)):
        assert is_error_value(spelling)
        assert why_error_value(spelling).startswith(WHY)


@pytest.mark.parametrize("value", SHAPED)
def test_the_shape_of_an_error_value_is_suspect_where_an_id_belongs_but_may_be_a_name(
    value: str,
) -> None:
    assert why_error_value(value).startswith(WHY)
    assert 'if this line is a comment, put a space after "#"' in why_error_value(value)
    assert not is_error_value(value)


@pytest.mark.parametrize(
    "text", [*COMMENTS, "", "Wave:502", "Err:5020", "a#N/A", "12:502", "Err:999"]
)
def test_other_text_is_no_error_value(text: str) -> None:
    assert not is_error_value(text)
    assert why_error_value(text) == ""
    assert not begins_with_error_value(text)


@pytest.mark.parametrize("value", [value for value in (*KNOWN, *SHAPED) if value.startswith("#")])
@pytest.mark.parametrize(
    "line", ["{},Wave,2", "{}", "{} ,Wave,", '"{}",Wave,2', ' "{}",Wave,', "  {},Wave,2"]
)
def test_a_row_whose_id_is_an_error_value_is_refused_and_not_lost(
    tmp_path: Path, line: str, value: str
) -> None:
    content = f"batch_id,name,copies\n{A},Wave,1\n{line.format(value)}\n{B},Wave,\n"
    for delimiter in ",;\t":
        path = written(tmp_path, "job.csv", content.replace(",", delimiter).replace("\n", "\r\n"))
        assert_the_problem(path, 3, f'column "batch_id": "{value}" {WHY}')


@pytest.mark.parametrize(
    ("header", "line", "fragment"),
    [
        ("name,batch_id", f"#REF!,{A}", f'column "name": "#REF!" {WHY}'),
        ("name,batch_id", f"#FERTIG!,{A}", f'column "name": "#FERTIG!" {WHY}'),
        ("x_a,batch_id", f"#N/A,{A}", f'column "x_a": "#N/A" {WHY}'),
        ("copies,batch_id", f"#NV,{A}", f'column "copies": "#NV" {WHY}'),
        ("copies,batch_id", "2,#NV", f'column "batch_id": "#NV" {WHY}'),
        ("batch_id,copies", f"{A},#NV", f'column "copies": "#NV" {WHY}'),
        (
            "batch_id,upload_new_dataset",
            f"{A},#WERT!",
            f'column "upload_new_dataset": "#WERT!" {WHY}',
        ),
        ("batch_id,name", f"{A},#REF!", f'column "name": "#REF!" {WHY}'),
        ("batch_id,name", f"{A},Err:502", f'column "name": "Err:502" {WHY}'),
        ("batch_id,name", "Err:502,Wave", f'column "batch_id": "Err:502" {WHY}'),
    ],
)
def test_an_error_value_is_refused_in_any_column_that_means_something(
    tmp_path: Path, header: str, line: str, fragment: str
) -> None:
    assert_the_problem(written(tmp_path, "job.csv", f"{header}\n{line}\n"), 2, fragment)


@pytest.mark.parametrize("comment", COMMENTS)
def test_an_ordinary_comment_stays_one_and_is_counted(tmp_path: Path, comment: str) -> None:
    job = open_job(
        written(
            tmp_path, "job.csv", f"# first\nbatch_id,name\n{comment}\n{A},#Sale!\n{comment}, more\n"
        )
    )
    assert job.comments == 0, "not known before the rows are read"
    (row,) = list(job.rows())
    assert row.line == 4
    assert job.comments == 3
    assert len(list(job.rows())) == 1
    assert job.comments == 3


@pytest.mark.parametrize("key", ["batch_id", "name"])
def test_an_error_value_is_refused_in_yaml(tmp_path: Path, key: str) -> None:
    cells = {"batch_id": A, key: '"#N/A"'}
    content = "- " + "\n  ".join(f"{name}: {cell}" for name, cell in cells.items()) + "\n"
    line = 1 if key == "batch_id" else 2
    assert_the_problem(written(tmp_path, "job.yaml", content), line, f'key "{key}": "#N/A" {WHY}')


def test_text_within_quotes_that_begins_like_an_error_value_is_text(tmp_path: Path) -> None:
    (row,) = rows_of(written(tmp_path, "job.csv", f'batch_id,x_a\n{A},"one\n#REF!\ntwo"\n'))
    assert row.extra == {"x_a": "one\n#REF!\ntwo"}
