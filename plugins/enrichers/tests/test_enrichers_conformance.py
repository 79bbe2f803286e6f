"""Every provider file that is shipped, on trial."""

from __future__ import annotations

from engine_enrichers.catalogue import shipped_files
from engine_enrichers.testing import ProviderConformance


class TestShippedFiles(ProviderConformance):
    files = shipped_files()


def test_there_are_many_of_them() -> None:
    partners = {path.stem.split("_")[0] for path in shipped_files()}
    assert len(partners) >= 24
