"""The flags of training; see `cli/flags`, where all others are."""

from __future__ import annotations

from polarity_cli.cli.flag import Flag

TRAINING: dict[str, Flag] = {
    "recipe": Flag(
        metavar="default|article",
        help="Values that measured best, or the article's: content only, learning rate 2e-5, one epoch.",
    ),
    "epochs": Flag(help="Passes over the training split."),
    "batch_size": Flag(
        help="Reviews in a batch on average, filled by tokens; all processes share one batch, so that it and the learning "
        "rate mean the same for any number of them."
    ),
    "learning_rate": Flag(help="Highest learning rate."),
    "weight_decay": Flag(help="AdamW's weight decay."),
    "warmup": Flag(metavar="SHARE", help="Share of the steps in which the learning rate rises."),
    "class_weights": Flag(
        metavar="balanced", help="Let both classes count alike, however rare one is.", default="each review counts"
    ),
    "folds": Flag(
        metavar="K",
        help="Score every review by a top that did not see it, for one pass through the frozen blocks; then train on all.",
        default="one split",
    ),
    "target_precision": Flag(
        metavar="SHARE",
        help="Keep the threshold from which on so many answers of a class are right, and answer by it.",
        default="none",
    ),
    "of": Flag(metavar="positive|negative", help="The class of --target-precision."),
    "patience": Flag(metavar="EPOCHS", help="Stop after so many epochs without a better validation F1.", default="never"),
}
