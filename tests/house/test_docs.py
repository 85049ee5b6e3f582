"""What the pages for people name is there: addresses, commands, settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from flask import Flask

from demo.commands import demo_commands
from tests.conftest import ROOT
from tests.house.routes import routes_of

ADDRESS = re.compile(r"`[^`\n]*?(/(?:api/v1|\.well-known)/[^`\s?]+)[^`\n]*`")
COMMAND = re.compile(r"flask --app wsgi ((?:[a-z][a-z0-9-]* )*[a-z][a-z0-9-]*)")
SETTING = re.compile(r"\bCARD_[A-Z_]+[A-Z]\b")


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def found_in_pages(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for page in pages():
        for found in pattern.findall(page.read_text(encoding="utf-8")):
            yield page.name, found


def pattern_of(rule: str) -> re.Pattern[str]:
    parts = re.split(r"<[^>]+>", rule)
    return re.compile("[^/]+".join(map(re.escape, parts)))


def test_addresses_are_routes(session_app: Flask) -> None:
    rules = {pattern_of(route.rule) for route in routes_of(session_app)}
    named = list(found_in_pages(ADDRESS))
    assert len(named) > 20
    assert [one for one in named if not any(rule.fullmatch(one[1]) for rule in rules)] == []


def is_command(group: click.Command | None, words: list[str]) -> bool:
    if isinstance(group, click.Group):
        return bool(words) and is_command(group.commands.get(words[0]), words[1:])
    return group is not None


def test_commands_can_be_called(session_app: Flask) -> None:
    commands = click.Group(commands={**session_app.cli.commands, "demo": demo_commands})
    named = list(found_in_pages(COMMAND))
    assert len(named) > 10
    assert [one for one in named if not is_command(commands, one[1].split())] == []


def test_settings_are_read() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (
        ROOT / "app" / "config.py", ROOT / "gunicorn.conf.py", ROOT / "app" / "cli.py",
        ROOT / "tests" / "conftest.py",
    ))
    assert [one for one in found_in_pages(SETTING) if one[1] not in code] == []
