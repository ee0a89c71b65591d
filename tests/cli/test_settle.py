"""What `settle` says about the decisions that it records."""

from __future__ import annotations

import pytest

from tests.support.ledgers import NOW, source, uuid
from worker.cli.decide import _warn_of_name
from worker.ledger.decisions import Decision, Known

NAMES = {
    "Row": False,
    " r.OW": False,
    "Raw": True,
    "": False,  # nothing is known of it
    "About {source_name}": False,  # its source is not known yet
}


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_with_another_name_than_is_known_gets_a_warning(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    item = Known("spring", 3, 1, uuid(1), name, "unknown", 0, NOW, None, None, is_open=True)
    _warn_of_name(Decision(4, uuid(50)), item, {uuid(50): source(50, "Row")})
    assert ("is named" in capsys.readouterr().err) is NAMES[name]
