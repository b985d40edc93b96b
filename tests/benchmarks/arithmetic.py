"""What all of Amazon Polarity costs on many GPUs: arithmetic from counted operations and the assumptions below, not measurements.

python -m tests.benchmarks.arithmetic
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.work import Shape

BERT_BASE = Shape(n_blocks=12, n_heads=12, hidden=768, intermediate=3072)


@dataclass(frozen=True)
class Assumptions:
    """What the table rests on."""

    n_train: int = 3_600_000
    n_test: int = 400_000
    validation: float = 0.1
    """Share of the training reviews that is held out."""
    n_tokens: int = 100
    """In a review, on average: title and content."""
    shape: Shape = BERT_BASE
    n_trained: int = 2
    n_weights: float = 109.5e6
    """Of BERT-base; `--plan` gives the share that trains."""
    n_trainable: float = 14.8e6
    rate: float = 125e12
    """Operations that a GPU does in a second in bfloat16: 40% of an A100's peak."""
    gpus_a_machine: int = 8
    disk: float = 3e9
    """Bytes that a machine reads from its disk in a second, or writes to it."""
    hashing: float = 1.5e9
    """Bytes of which a processor with instructions for it computes the SHA-256 in a second; what was written is hashed once."""
    link: float = 200e9
    """Bytes that a GPU sends to another of its machine in a second."""
    network: float = 3e9
    """The same between machines: 25 Gb/s."""
    tokenizing: float = 2000.0
    """Reviews that a processor tokenizes in a second; eight work."""


@dataclass(frozen=True)
class Cost:
    """What a number of GPUs needs."""

    n_gpus: int
    batch_size: int
    tokenizing_s: float
    kept_trunk_s: float
    """Passing every review once, writing its features and hashing them: each machine does so for its own disk."""
    trunk_s: float
    """Passing an epoch's reviews, each on one of all GPUs."""
    top_s: float
    """An epoch of the top, with its evaluation."""
    reading_s: float
    """Reading an epoch's kept features."""
    sending_s: float
    """Adding up an epoch's gradients."""
    feature_bytes: float
    token_bytes: float
    gpu_bytes: float
    """Weights, gradients and AdamW's moments on each GPU, without activations."""

    @property
    def epoch_s(self) -> float:
        """An epoch without kept features: what computes and what is sent one after the other."""
        return self.trunk_s + self.top_s + self.sending_s

    @property
    def kept_epoch_s(self) -> float:
        """An epoch from kept features; reading and computing go on side by side."""
        return max(self.reading_s, self.top_s) + self.sending_s


def compute_cost(n_gpus: int, *, batch_size: int, given: Assumptions | None = None) -> Cost:
    """Return what all reviews cost on `n_gpus`, in batches of `batch_size` for all GPUs together."""
    a = given or Assumptions()
    n_train, n_held_out = a.n_train * (1 - a.validation), a.n_train * a.validation
    n_all, n_machines = a.n_train + a.n_test, -(-n_gpus // a.gpus_a_machine)
    block, last = a.shape.count_block(1, a.n_tokens), a.shape.count_last_block(1, a.n_tokens)
    top = (a.n_trained - 1) * block + last
    speed = a.rate * n_gpus
    feature_bytes = n_all * a.n_tokens * a.shape.hidden * 2
    gradient_bytes = a.n_trainable * 4
    sent = 2 * (n_gpus - 1) / n_gpus * gradient_bytes * (n_train / batch_size)
    return Cost(
        n_gpus,
        batch_size,
        tokenizing_s=n_all / a.tokenizing / 8 * min(n_machines, 2),  # the first machine, then all others
        kept_trunk_s=max(
            n_all * (a.shape.n_blocks - a.n_trained) * block / a.rate / min(n_gpus, a.gpus_a_machine), feature_bytes / a.disk
        )
        + feature_bytes / a.hashing,
        trunk_s=a.n_train * (a.shape.n_blocks - a.n_trained) * block / speed,
        top_s=(3 * n_train + n_held_out) * top / speed,
        reading_s=feature_bytes * a.n_train / n_all / a.disk / n_machines,
        sending_s=sent / (a.network if n_machines > 1 else a.link),
        feature_bytes=feature_bytes,
        token_bytes=n_all * a.n_tokens * 4,
        gpu_bytes=a.n_weights * 4 + a.n_trainable * 12,
    )


def make_table() -> str:
    """Return the table of the README."""
    costs = [compute_cost(n, batch_size=size) for n, size in ((1, 256), (8, 256), (64, 2048))]
    rows = {
        "`--batch-size`": [f"{cost.batch_size:,}" for cost in costs],
        "tokenizing, once": [_minutes(cost.tokenizing_s) for cost in costs],
        "passing the trunk, writing and hashing features, once": [_minutes(cost.kept_trunk_s) for cost in costs],
        "an epoch of the top": [_minutes(cost.top_s) for cost in costs],
        "adding up its gradients": [_minutes(cost.sending_s) for cost in costs],
        "an epoch that passes the trunk again": [_minutes(cost.epoch_s) for cost in costs],
        "an epoch from kept features": [_minutes(cost.kept_epoch_s) for cost in costs],
        "disk for features, each machine": [f"{cost.feature_bytes / 1e9:,.0f} GB" for cost in costs],
        "disk for token ids, each machine": [f"{cost.token_bytes / 1e9:.1f} GB" for cost in costs],
        "weights, gradients and moments on a GPU": [f"{cost.gpu_bytes / 1e9:.1f} GB" for cost in costs],
    }
    lines = ["| | " + " | ".join(f"{cost.n_gpus} GPU{'s' * (cost.n_gpus > 1)}" for cost in costs) + " |", "|---" * 4 + "|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()])


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    print(make_table())
