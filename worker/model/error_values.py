"""Recognizes what a spreadsheet program writes into a cell if its formula or lookup failed. Pure
text: nothing here knows files or columns.

The words differ from language to language. The known ones come from the localized versions of
Excel, LibreOffice and Google Sheets; the pattern that they share finds words that are missing
here."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORDS: Final = """
    #N/A #REF! #NAME? #VALUE! #DIV/0! #NUM! #NULL! #ERROR!
    #SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #UNKNOWN! #BUSY! #EXTERNAL! #PYTHON! #TIMEOUT!
    #GETTING_DATA
    #NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #KALK! #FELD! #BLOCKIERT! #VERBINDEN! #UNBEKANNT!
    #DATEN_ABRUFEN
    #NOM? #VALEUR! #NOMBRE! #NUL! #EPARS! #PROPAGATION! #CALCUL! #CHAMP! #BLOQUE! #CONNEXION!
    #INCONNU!
    #N/D #¡REF! #¿NOMBRE? #¡VALOR! #¡DIV/0! #¡NUM! #¡NULO! #¡DESBORDAMIENTO! #¡CALC! #¡CAMPO!
    #OBTENIENDO_DATOS
    #RIF! #NOME? #VALORE! #NULLO! #ESPANSIONE! #CALCOLO! #CAMPO! #VALOR! #NÚM! #NULO!
    #DESPEJAR! #DESPEJO!
    #N/B #VERW! #NAAM? #WAARDE! #DEEL/0! #GETAL! #LEEG! #OVERLOOP! #BEREKENEN! #VELD!
    #ADR! #NAZWA? #ARG! #DZIEL/0! #LICZBA! #ZERO! #ROZLANIE! #BŁĄD!
    #Н/Д #ССЫЛКА! #ИМЯ? #ЗНАЧ! #ДЕЛ/0! #ЧИСЛО! #ПУСТО! #ПЕРЕНОС! #ВЫЧИСЛ! #ПОЛЕ! #ПОСИЛАННЯ!
    #ІМ'Я? #ЗНАЧЕННЯ!
    #SAKNAS! #REFERENS! #NAMN? #VÄRDEFEL! #DIVISION/0! #OGILTIGT! #SKÄRNING! #SPILL!
    #I/T #VERDI! #NAVN? #VÆRDI! #REFERENCE! #OVERFLYT! #OVERLØB!
    #PUUTTUU! #VIITTAUS! #NIMI? #ARVO! #JAKO/0! #LUKU! #TYHJÄ! #PUUDUB! #VIIDE! #VÄÄRTUS!
    #NENÍ_K_DISPOZICI #ODKAZ! #NÁZEV? #HODNOTA! #DĚLENÍ_NULOU! #ČÍSLO! #NEDOSTUPNÝ #NÁZOV?
    #PRESAH!
    #HIÁNYZIK #HIV! #NÉV? #ÉRTÉK! #ZÉRÓOSZTÓ! #SZÁM! #NULLA! #KIBONTÁS!
    #YOK #BAŞV! #AD? #DEĞER! #SAYI/0! #SAYI! #BOŞ! #TAŞMA!
    #Δ/Υ #ΑΝΑΦ! #ΟΝΟΜΑ? #ΤΙΜΗ! #ΔΙΑΙΡ/0! #ΑΡΙΘ! #ΚΕΝΟ! #N/V #SKLIC! #IME? #VREDN! #DEL/0!
    #ŠTEV!
"""


def _plain(text: str) -> str:
    """`text` for comparison: without case, Unicode form and surrounding spaces."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


_KNOWN: Final = frozenset(map(_plain, _WORDS.split()))
# LibreOffice's numbered errors, "Err:502", in the languages in which it translates the word.
_NUMBERED: Final = re.compile(
    r"(?:err|error|erreur|fehler|errore|erro|fout|fel|feil|fejl|virhe|błąd|chyba|hiba|hata"
    r"|ошибка|σφάλμα)\.?\s?:\s?5[0-4][0-9]"
)
# One word in capitals that ends in "!" or "?", or two short ones such as N/A.
_SHAPE: Final = re.compile(r"#[¡¿]?[^\W\d_][\w/.']*[!?]|#[^\W\d_]{1,2}/[^\W\d_]{1,2}")
_FIRST_CELL: Final = re.compile(r"#[^,;\t\r\n|]*")

_WHY: Final = (
    "is a spreadsheet's error value: the lookup or formula in this cell failed; "
    "fix it in the spreadsheet and export the file again"
)


def is_error_value(cell: str) -> bool:
    """Whether `cell` is a known error value, which nobody means as text."""
    if "#" not in cell and ":" not in cell:  # nearly always, and fast
        return False
    plain = _plain(cell)
    return plain in _KNOWN or _NUMBERED.fullmatch(plain) is not None


def begins_with_error_value(line: str) -> bool:
    """Whether the first cell of a CSV `line`, ended by any delimiter, is an error value or looks
    like one."""
    first = _FIRST_CELL.match(line)
    return first is not None and bool(why_error_value(first[0].strip()))


def why_error_value(cell: str) -> str:
    """Why `cell` cannot be an id or a number: it is an error value, or looks like one. The text
    follows the cell in a message; it is "" for any other cell."""
    if is_error_value(cell):
        return _WHY
    if cell == cell.upper() and _SHAPE.fullmatch(unicodedata.normalize("NFC", cell)):
        return f'{_WHY}; if this line is a comment, put a space after "#"'
    return ""
