"""The last block for the one token that the classifier reads: the same logits and gradients for a fraction of the work.

Keys and values are needed of every token, the rest of the block (query, output, feed-forward) of the first token alone.
`attend` has the attention, `layouts` and `deberta` what each family builds around it; a family names its own in
`encoder/families`, and `block` puts it in the last block's place.
"""
