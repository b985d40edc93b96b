"""Every field of a config has its flag, every flag its field, and help shows them whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from polarity_cli.cli.app import make_app
from polarity_cli.cli.flag import name_flag
from polarity_cli.cli.flags import ARGUMENTS, FLAGS
from polarity_cli.cli.options import Call, list_settings
from polarity_cli.config import DataConfig, EvaluateConfig, PredictConfig, PruneConfig
from polarity_cli.export_config import ExportConfig
from polarity_cli.train_config import TrainConfig
from tests.helpers.commands import Outcome

Polarity = Callable[..., Outcome]
CONFIGS = {
    "prepare": DataConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "predict": PredictConfig,
    "export": ExportConfig,
    "cache prune": PruneConfig,
}
WITHOUT = {"source", "more_sources", "preferred_text"}
"""Fields that SOURCE fills, and one that a checkpoint does."""
COMMANDS = ("", "prepare", "train", "evaluate", "predict", "export", "cache", "cache list", "cache prune")


def squeeze(text: str) -> str:
    """Return a text without spaces and line breaks, which stand elsewhere in a page that is wrapped."""
    return "".join(text.split())


def find_command(words: str) -> Any:
    command: Any = typer.main.get_command(make_app())
    for word in words.split():
        assert isinstance(command, TyperGroup)
        command = command.commands[word]
    return command


@pytest.mark.parametrize("words", CONFIGS)
def test_each_field_has_a_flag_or_argument_of_its_name(words: str) -> None:
    names = set()
    for parameter in find_command(words).params:
        if isinstance(parameter, TyperOption):
            typed = [*parameter.opts, *parameter.secondary_opts]
            assert name_flag(str(parameter.name)) in typed
        names.add(parameter.name)
    assert list_settings(CONFIGS[words]).keys() - names <= WITHOUT


def test_each_line_of_the_table_is_a_field_of_some_config() -> None:
    fields = {command: list_settings(config) for command, config in CONFIGS.items()}
    every = {name for settings in [*fields.values(), list_settings(Call)] for name in settings}
    for key in [*ARGUMENTS, *(key for flags in FLAGS.values() for key in flags)]:
        command, _, name = key.rpartition(".")
        assert name in (fields[command] if command else every), key


def test_each_value_given_reaches_the_config(polarity: Polarity, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[TrainConfig] = []
    monkeypatch.setattr("polarity_cli.verbs.train.train", lambda config, *_, **__: configs.append(config))
    given = ("--unfreeze", "all", "--rows", "all", "--text", "a,b", "--delimiter", "tab", "--no-header", "--fresh", "--no-graphs")
    more = ("--feature-cache", "2GB", "--positive", "4,5", "--warmup", "0.5", "--recipe", "article", "--out", "there")
    assert polarity("train", "r.csv", "s.csv", *given, *more).code == 0
    (config,) = configs
    assert (config.unfreeze, config.feature_cache, config.warmup, str(config.out)) == ("all", 2_000_000_000, 0.5, "there")
    assert (config.fresh, config.graphs, config.epochs, config.learning_rate) == (True, False, 1, 2e-5)
    assert (config.data.rows, config.data.text, config.data.positive) == ("all", ("a", "b"), ("4", "5"))
    assert (config.data.read.delimiter, config.data.read.header, config.data.sources) == ("\t", False, ("r.csv", "s.csv"))


def test_nothing_given_is_the_default_of_the_config(polarity: Polarity, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[TrainConfig] = []
    monkeypatch.setattr("polarity_cli.verbs.train.train", lambda config, *_, **__: configs.append(config))
    assert polarity("train").code == 0
    assert configs == [TrainConfig(data=DataConfig())]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("columns", [80, 100])
def test_help_shows_every_description_whole(
    polarity: Polarity, monkeypatch: pytest.MonkeyPatch, words: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = polarity(*words.split(), "--help")
    assert outcome.code == 0
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    shown = squeeze(outcome.stdout)
    command = find_command(words)
    for parameter in command.params:
        if isinstance(parameter, TyperOption | TyperArgument):
            assert squeeze(str(parameter.help)) in shown
    for other in getattr(command, "commands", {}).values():
        assert squeeze(other.help.split("\n")[0].rstrip(".")) in shown


@pytest.mark.parametrize("words", ["train", "predict"])
def test_help_has_its_groups_in_order(polarity: Polarity, words: str) -> None:
    lines = polarity(words, "--help").stdout.splitlines()
    groups = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    without = {"predict": {"Training"}}.get(words, set())
    assert groups == ["Arguments", *(name for name in FLAGS if name not in without)]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("train", ["--resume / --fresh", "[default: resume]", "[default: graphs]", "[default: 0.0003]", "[default: ckpt]"]),
        ("prepare", ["[default: 10000]", "[default: 0.2]", "[default: bert-base-uncased]", "[default: found by name]"]),
        ("predict", ["[default: 0.0]", "fail|skip|keep", "[env var: POLARITY_JSON]"]),
        ("evaluate", ["as many as in training]", "[default: fail]"]),
    ],
)
def test_help_shows_defaults_in_brackets(polarity: Polarity, words: str, shown: list[str]) -> None:
    page = squeeze(polarity(words, "--help").stdout)
    assert [phrase for phrase in shown if squeeze(phrase) not in page] == []
