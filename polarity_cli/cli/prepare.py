"""`polarity prepare`."""

from __future__ import annotations

from typing import Annotated

import typer

from polarity_cli.cli import options, values
from polarity_cli.cli.console import make_context, print_json, print_pairs
from polarity_cli.config import DEFAULT_ENCODER, DEFAULT_SOURCE, SAMPLE, DataConfig
from polarity_cli.extras import require_extra

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity prepare --sample
      polarity prepare reviews.csv --text title,content --label stars
      polarity prepare reviews.csv --positive 4,5 --negative "<=2"
      polarity prepare --rows all
    """
)


def command(
    call: typer.Context,
    sources: options.Sources = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help=f"Hub id, local folder, or `sample`: whose tokenizer is used. [default: {DEFAULT_ENCODER}]", show_default=False
        ),
    ] = None,
    sample: options.Sample = False,
    text: options.Text = None,
    label: options.Label = None,
    positive: options.Positive = None,
    negative: options.Negative = None,
    delimiter: options.Delimiter = None,
    header: options.Header = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    on_error: options.OnError = "fail",
    rows: Annotated[str, typer.Option(metavar="N|all", help="Rows read, from the beginning.")] = str(DataConfig.rows),
    test: options.Test = DataConfig.test,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the rows for the validation split.")
    ] = DataConfig.validation,
    seed: options.Seed = DataConfig.seed,
    max_length: options.MaxLength = DataConfig.max_length,
    truncation: options.Truncation = DataConfig.truncation,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> None:
    """Tokenize reviews into the cache."""
    from polarity_cli.prepare import prepare

    sources, encoder = values.apply_sample(sources, encoder, sample)
    require_extra("sample" if encoder == SAMPLE else "train", "polarity prepare")
    config = DataConfig(
        **values.split_sources(sources, DEFAULT_SOURCE),
        **values.collect_data(call.params),
        encoder=DEFAULT_ENCODER if encoder is None else encoder,
        rows=values.parse_rows(rows),
        test=test,
        validation=validation,
        seed=seed,
        max_length=max_length,
        truncation=truncation,
    )
    prepared = prepare(config, make_context(cache_dir=cache_dir, offline=offline, quiet=quiet))
    manifest = prepared.manifest
    if json:
        print_json({"folder": str(prepared.folder), "from_cache": prepared.from_cache, **manifest})
        return
    counts = {
        name: f"{c['n_rows']:,} reviews ({c['n_positive']:,} positive, {c['n_negative']:,} negative), {c['n_tokens']:,} tokens"
        for name, c in manifest["splits"].items()
    }
    print_pairs(
        {
            **counts,
            "text": ": ".join(manifest["text"]),
            "label": f"{manifest['label']}: {values.describe_labels(manifest['labels'])}",
            "folder": str(prepared.folder),
        }
    )
