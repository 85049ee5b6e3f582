"""Every refusal has its page, and every page its refusal."""

from __future__ import annotations

import importlib
import pkgutil
import re

import app
from app.kernel.errors import DomainError, domain_errors
from app.web.docs import PROBLEM_PAGES
from app.web.problems import HTTP_PROBLEMS, status_of

LINES_MAX = 40


def refusals() -> dict[str, type[DomainError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    return {
        code: kind for code, kind in domain_errors().items() if kind.__module__.startswith("app.")
    }


def test_every_code_has_its_page_and_the_reverse() -> None:
    codes = set(refusals()) | {code for code, _title, _advice in HTTP_PROBLEMS.values()}
    pages = {page.stem for page in PROBLEM_PAGES.glob("*.md")}
    assert sorted(codes - pages) == []
    assert sorted(pages - codes) == []


def test_codes_are_stable_words_with_advice_in_chinese() -> None:
    for code, kind in refusals().items():
        assert re.fullmatch(r"[a-z][a-z0-9_]{2,60}", code), code
        assert kind.title, code
        assert re.search(r"[\u4e00-\u9fff]", kind.advice), code
        assert "\n" not in kind.advice, code
        assert status_of(kind) >= 400, code


def test_pages_are_short_and_name_their_status() -> None:
    known = refusals()
    for page in PROBLEM_PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.stem}\n"), page.name
        assert 5 <= text.count("\n") <= LINES_MAX, page.name
        if page.stem in known:
            assert str(status_of(known[page.stem])) in text, page.name
