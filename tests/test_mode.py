"""`engine mode`: what it says, what it changes in the spec, and what the next run then does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SPEC = """\
# Ours.
version: 1
name: expo
source: {{use: csv, path: leads.csv}}   # the export
destination:
  use: marketo
{mode}  config:
    base_url: {{env: MARKETO_BASE_URL}}
    client_id: {{env: MARKETO_CLIENT_ID}}
    client_secret: {{env: MARKETO_CLIENT_SECRET}}
matching:
  - {{by: email, value: lead.email}}
mapping:
  fields:
    email: lead.email   # as it is
    lastName: lead.last_name
"""


@pytest.mark.parametrize("line", ["  sync_mode: manual  # until Friday\n", "  sync_mode: 'manual'\n"])
def test_a_switch_to_automatic_changes_one_word_and_lets_the_leads_go(
    bench: Any, person: Any, tmp_path: Path, line: str
) -> None:
    bench.leads([person(1), person(2)])
    made = bench.spec(mode="manual")
    bench.run(made)
    said = bench.cli("mode", made, "--json").json
    assert (said["mode"], said["held"]) == ("manual", 2)
    switched = bench.cli("mode", made, "automatic")
    assert (switched.code, "manual -> automatic" in switched.out, "sends 2 leads" in switched.out) == (0, True, True)
    assert bench.cli("run", made).code == 0
    assert len(bench.people()) == 2
    own = tmp_path / "own.yaml"
    own.write_text(SPEC.format(mode=line), "utf-8")
    assert bench.cli("mode", own, "automatic").code == 0
    assert own.read_text("utf-8").replace("'", "") == SPEC.format(
        mode=line.replace("manual", "automatic").replace("'", "")
    )


def test_a_spec_that_names_no_mode_is_automatic_and_gets_the_key(bench: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SPEC.format(mode=""), "utf-8")
    assert "expo  automatic" in bench.cli("mode", own).out
    assert bench.cli("mode", own, "automatic").code == 0
    assert own.read_text("utf-8") == SPEC.format(mode="")
    bench.cli("mode", own, "disabled")
    assert "  sync_mode: disabled\n" in own.read_text("utf-8")
    assert "# as it is" in own.read_text("utf-8")
    assert bench.cli("mode", own, "sometimes").code != 0
