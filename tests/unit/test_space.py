"""docs/space.md states the actual limits of a Space."""

from __future__ import annotations

import re

from tests.support.paths import PROJECT
from voicebot.settings import config, space


def test_the_documented_limits_of_a_space_match_the_settings() -> None:
    document = (PROJECT / "docs" / "space.md").read_text("utf-8")
    (table,) = re.findall(r"<!-- limits -->\n(.*?)\n<!-- /limits -->", document, re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    documented = {row[0].strip("`"): (row[1], row[2]) for row in rows}
    usual, on_a_space = config.load(), config.load(space_id="me/bot", groq_api_key="gsk_x")
    defaults = {**space.DEFAULTS, **space.DEFAULTS_WITH_KEYS}
    for name, (elsewhere, there) in documented.items():
        field = name.lower()
        assert field in defaults
        assert elsewhere.split()[0] == f"{getattr(usual, field):g}", name
        assert there.split()[0] == f"{getattr(on_a_space, field):g}", name
    assert {name.lower() for name in documented} == set(defaults) - {"gradio_server_name", "gradio_server_port"}
