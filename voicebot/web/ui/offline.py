"""Keeps Gradio's page from asking other hosts for scripts and fonts, and us for what we do not have."""

from __future__ import annotations

import re

_FOREIGN_TAG = re.compile(
    r"""<script\s[^>]*src="https?://[^"]*"[^>]*>\s*</script>|<link\s[^>]*href="https?://[^"]*"[^>]*/?>"""
    r"""|<link\s+rel="manifest"[^>]*/?>|<meta\s+(?:property="og:|name="twitter:)[^>]*/?>""",
    re.IGNORECASE,
)


def without_foreign_tags(html: str) -> str:
    """`html` without a frame resizer and fonts from other hosts, and without a manifest, which we have none of.

    Gradio's tags for previews of links go, too: they name Gradio, and show a picture from another host.
    """
    return _FOREIGN_TAG.sub("", html)
