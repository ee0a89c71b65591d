"""Importing is cheap: terminal and log libraries come with the modules, or the first lines, that
need them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["worker.terminal", "worker.terminal.summary", "worker.cli.run"])
def test_neither_rich_nor_structlog_is_imported(module: str) -> None:
    code = f"import sys, {module}; sys.exit(bool({{'rich', 'structlog'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
