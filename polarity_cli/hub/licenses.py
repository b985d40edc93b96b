"""The licences that the Hub knows, by its ids. A model is published under one of them, or under `other` and a name of its own."""

from __future__ import annotations

import difflib

from polarity_cli.errors import UsageError

_IDS = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0
cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 grok2-community h-research intel-research isc lgpl
lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by
ofl-1.1 openmdw-1.0 openmdw-1.1 openrail openrail++ osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
"""
LICENSES = tuple(_IDS.split())
OTHER = "other"


def check_license(name: str, where: str) -> None:
    """Refuse a licence that the Hub does not know by this id, with those that are written like it.

    Args:
        name: the id.
        where: what says it, for the message: `--license`, or a card.

    Raises:
        UsageError: it is no such id.
    """
    if name in LICENSES:
        return
    shown = name[:80]
    written = "-".join(name.lower().split())
    close = difflib.get_close_matches(written, LICENSES, n=4, cutoff=0.5) or [
        each for each in LICENSES if written and written in each
    ]
    hint = f"Written like it: {', '.join(close)}. " if close else "Usual ones: apache-2.0, mit, cc-by-4.0, gpl-3.0. "
    raise UsageError(
        f"{where} {shown}: the Hub knows no licence by this id.",
        hint=f"{hint}All are on https://huggingface.co/docs/hub/repositories-licenses; one of your own is `other`.",
    )
