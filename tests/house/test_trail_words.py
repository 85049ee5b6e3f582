"""R19: whatever is written into somebody's trail has a sentence that they read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.service_orders.transitions import Event
from app.trail.wording import SENTENCES, Sentence
from tests.conftest import ROOT
from tests.house.house import APP, parsed, where

WRITERS = {"record_access", "record_accesses", "open_profile"}
APPENDS = "trail_append("
ACTION_PLACE = 4  # among what trail_append is given
IN_SQL = re.compile(r"'([a-z_]+)'")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Where a word is put together, what it can be.
PUT_TOGETHER = {"service_order_": {event.value for event in Event}}


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def given(call: ast.Call, function: ast.FunctionDef, parameter: str) -> ast.expr | None:
    """What a call gives for a parameter of a function."""
    for keyword in call.keywords:
        if keyword.arg == parameter:
            return keyword.value
    names = [one.arg for one in function.args.args]
    if parameter in names and names.index(parameter) < len(call.args):
        return call.args[names.index(parameter)]
    return None


def words_of(path: Path, node: ast.expr, inside: ast.FunctionDef | None) -> Iterator[str]:
    """The words that an expression can be: a constant, a put together one, a parameter."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        first = node.values[0]
        assert isinstance(first, ast.Constant), where(path, node)
        beginning = str(first.value)
        yield from (beginning + end for end in PUT_TOGETHER[beginning])
    elif isinstance(node, ast.IfExp):
        yield from words_of(path, node.body, inside)
        yield from words_of(path, node.orelse, inside)
    else:
        assert isinstance(node, ast.Name), where(path, node)
        assert inside is not None, where(path, node)
        for call in calls_in(path):
            word = given(call, inside, node.id) if name_of(call) == inside.name else None
            if word is not None:
                yield from words_of(path, word, None)


def calls_in(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]


def words_in(path: Path) -> Iterator[str]:
    """The action words that a file of ours writes."""
    functions = [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef)]
    for function in functions:
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
            if name_of(call) in WRITERS:
                for keyword in call.keywords:
                    if keyword.arg == "action":
                        yield from words_of(path, keyword.value, function)
        names = [one.arg for one in function.args.kwonlyargs]
        if function.name in WRITERS and "action" in names:
            default = function.args.kw_defaults[names.index("action")]
            if isinstance(default, ast.Constant):
                yield str(default.value)


def arguments(text: str) -> list[str]:
    """What stands between the brackets that are open where the text begins, by its commas."""
    depth, found = 1, [""]
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth == 0:
            return [one.strip() for one in found]
        if character == "," and depth == 1:
            found.append("")
        else:
            found[-1] += character
    raise AssertionError(text)


def words_in_sql(text: str) -> Iterator[str]:
    """The action words that SQL writes; AssertionError where one cannot be read from it."""
    for call in text.split(APPENDS)[1:]:
        word = IN_SQL.fullmatch(arguments(call)[ACTION_PLACE])
        assert word is not None, call[:200]
        yield word[1]


def words() -> set[str]:
    rooms = [path for path in APP.rglob("*.py") if path.parent.name != "trail"]
    found = {word for path in rooms for word in words_in(path)}
    migrations = (ROOT / "migrations" / "versions").glob("*.py")
    for path in (*rooms, *(one for one in migrations if "_trail" not in one.stem)):
        found |= set(words_in_sql(path.read_text(encoding="utf-8")))
    return found


def test_r19_every_action_has_a_sentence() -> None:
    found = words()
    assert {"profile_opened", "redeem", "preview", "service_order_pay", "complaint_read",
            "voucher_claimed", "library_waiver_returned", "code_shown_again",
            "transit_filed"} <= found  # fmt: skip
    assert sorted(found - set(SENTENCES)) == []


def test_an_action_of_sql_that_cannot_be_read_is_no_pass() -> None:
    line = "PERFORM trail_append(citizen, f(a, b), kind, NULL, {}, ARRAY['x', 'y'], '', '');"
    assert [*words_in_sql(line.format("'redeem'"))] == ["redeem"]
    for unreadable in ("action", "'re' || 'deem'", "coalesce(action, 'redeem')"):
        with pytest.raises(AssertionError):
            list(words_in_sql(line.format(unreadable)))


def test_sentences_are_plain_chinese() -> None:
    for action, sentence in SENTENCES.items():
        assert isinstance(sentence, Sentence)
        assert CHINESE.search(sentence.done), action
        assert CHINESE.search(sentence.purpose), action
        assert not re.search(r"[A-Za-z]", sentence.done.replace("{fields}", "")), action
