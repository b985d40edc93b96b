"""Check that a tag, the built files and the changelog say one version, and print the changelog's notes of it.

Run by `.github/workflows/release.yml`: python .github/release_notes.py v0.1.0 dist > notes.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"
_HEADING = re.compile(r"^## (\S+)(?: \((.+)\))?$", re.MULTILINE)


class ReleaseError(Exception):
    """What keeps a release from being published, in words."""


def find_notes(changelog: str, version: str) -> str:
    """Return the text below a version's heading.

    Raises:
        ReleaseError: there is no such heading, it still says `unreleased`, or nothing stands below it.
    """
    headings = list(_HEADING.finditer(changelog))
    for number, heading in enumerate(headings):
        if heading[1] != version:
            continue
        if heading[2] == "unreleased":
            raise ReleaseError(
                f"CHANGELOG.md: {version} is still called unreleased. Put the day there: ## {version} (2026-01-31)"
            )
        end = headings[number + 1].start() if number + 1 < len(headings) else len(changelog)
        notes = changelog[heading.end() : end].strip()
        if not notes:
            raise ReleaseError(f"CHANGELOG.md: nothing is said of {version}.")
        return notes + "\n"
    found = ", ".join(heading[1] for heading in headings) or "none"
    raise ReleaseError(f"CHANGELOG.md: no heading `## {version}` (found: {found}).")


def check_files(names: list[str], version: str) -> None:
    """Refuse built files that are not one wheel and one source archive of a version.

    Raises:
        ReleaseError: as said.
    """
    expected = [f"polarity_cli-{version}-py3-none-any.whl", f"polarity_cli-{version}.tar.gz"]
    built = sorted(name for name in names if name.endswith((".whl", ".tar.gz")))
    if built != expected:
        raise ReleaseError(
            f"The tag v{version} is not the version that was built: {', '.join(built) or 'nothing'} "
            f"(expected {', '.join(expected)}). "
            "Set __version__ in polarity_cli/__init__.py, commit, and tag again."
        )


def main(tag: str, folder: str) -> int:
    """Print the notes of a tag and return 0, or say what is wrong on standard error and return 1."""
    version = tag.removeprefix("v")
    try:
        check_files([path.name for path in Path(folder).iterdir()], version)
        print(find_notes(CHANGELOG.read_text(encoding="utf-8"), version), end="")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
