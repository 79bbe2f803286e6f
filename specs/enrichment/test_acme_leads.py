from pathlib import Path

from engine_enrichers.testing import ProviderConformance


class TestAcmeLeads(ProviderConformance):
    files = (Path(__file__).parent / "providers/acme_leads.yaml",)
