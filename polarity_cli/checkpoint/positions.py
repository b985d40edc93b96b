"""How many tokens an encoder's table of positions leaves for a text, by its family."""

from __future__ import annotations

_COUNT_FROM_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""Families of transformers whose first token stands behind the padding's row in the table of positions, as in fairseq."""


def count_reserved_positions(model_type: str, pad_token_id: object) -> int:
    """Return the rows of an encoder's position table that no token uses, because counting starts behind the padding's."""
    if model_type not in _COUNT_FROM_PADDING:
        return 0
    is_fixed = model_type == "mpnet" or type(pad_token_id) is not int  # MPNet's code has it as 1, whatever the config says
    return 2 if is_fixed else int(pad_token_id) + 1  # type: ignore[call-overload]
