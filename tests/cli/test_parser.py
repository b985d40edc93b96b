"""An option given twice is refused by every command, unless it is a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from polarity_cli.cli.app import make_app
from polarity_cli.cli.parser import Command
from polarity_cli.errors import UsageError
from tests.helpers.commands import Outcome

Polarity = Callable[..., Outcome]


def list_commands(group: TyperGroup, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from list_commands(command, (*above, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*above, name), command


def list_options() -> Iterator[tuple[tuple[str, ...], TyperOption]]:
    group = typer.main.get_command(make_app())
    assert isinstance(group, TyperGroup)
    for words, command in list_commands(group):
        for option in command.params:
            if isinstance(option, TyperOption) and not option.is_eager:
                yield words, option


OPTIONS = list(list_options())


def test_every_command_looks_for_options_given_twice() -> None:
    group = typer.main.get_command(make_app())
    assert isinstance(group, TyperGroup)
    commands = dict(list_commands(group))
    assert {words for words, command in commands.items() if not isinstance(command, Command)} == set()
    assert {("prepare",), ("train",), ("evaluate",), ("predict",), ("cache", "list"), ("cache", "prune")} <= commands.keys()


@pytest.mark.parametrize(("words", "option"), OPTIONS, ids=[f"{' '.join(words)} {option.name}" for words, option in OPTIONS])
def test_option_given_twice_is_refused_with_its_name_unless_it_is_a_list(
    polarity: Polarity, words: tuple[str, ...], option: TyperOption
) -> None:
    if option.multiple or option.count:
        pytest.skip("it adds up")
    longest = max(option.opts, key=len)
    value = () if option.is_flag else ("1",)
    for names in ([longest, longest], [longest, option.opts[0]], [longest, *option.secondary_opts]):
        if len(names) < 2:
            continue
        command = [*words, *(word for name in names for word in (name, *value))]
        if option.name == "debug":  # shows the traceback
            with pytest.raises(UsageError, match="--debug is given twice"):
                polarity(*command)
            continue
        outcome = polarity(*command)
        assert outcome.code == 2
        assert outcome.stdout == ""
        assert longest in outcome.stderr
        assert "is given twice." in outcome.stderr


def test_value_behind_an_equals_sign_counts_and_three_times_are_counted(polarity: Polarity) -> None:
    outcome = polarity("train", "--epochs=1", "--epochs", 2, "--epochs=1")
    assert outcome.code == 2
    assert "polarity: --epochs is given 3 times." in outcome.stderr


def test_what_stands_behind_two_dashes_or_is_a_value_is_no_option(polarity: Polarity) -> None:
    outcome = polarity("predict", "--quiet", "--checkpoint", "./--nowhere", "--", "--quiet", "--checkpoint")
    assert "--nowhere: no such folder" in outcome.stderr


def test_environment_does_not_count(polarity: Polarity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARITY_QUIET", "1")
    assert polarity("cache", "list", "--quiet").code == 0


def test_help_is_shown_whatever_else_is_there(polarity: Polarity) -> None:
    outcome = polarity("train", "--epochs", 1, "--epochs", 2, "--help")
    assert outcome.code == 0
    assert "--epochs" in outcome.stdout


def test_list_adds_up() -> None:
    other = typer.Typer()
    taken: list[list[str]] = []

    @other.command(cls=Command)
    def take(column: list[str] = typer.Option([])) -> None:  # noqa: B008
        taken.append(column)

    other(["--column", "a", "--column", "b"], standalone_mode=False)
    assert taken == [["a", "b"]]
