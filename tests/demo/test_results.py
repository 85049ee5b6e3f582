"""`flask --app wsgi demo results` on small folders; the whole set is in tests/records."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from demo.commands import demo_commands
from tests.conftest import ROOT
from tests.members.people import made_up_member

PERSON = made_up_member()
NUMBER, NAME, PHONE = PERSON.id_number, PERSON.name, str(PERSON.phone)
REGISTER = [
    ["会员登记表"],
    ["姓名", "身份证号", "手机号", "加入日期"],
    [NAME, NUMBER, PHONE, "2023-12-31"],
    [NAME, NUMBER, PHONE, "2023年12月31日"],
]
HOURS = [
    ["序号", "记录编号", "版本号", "记录状态", "身份证号", "服务日期", "服务时长", "活动名称"],
    ["1", "H-1", "1", "有效", NUMBER, "2024-01-10", "3.5", "𠮷祥社区河道清洁"],
    [],
    ["2", "H-2", "1", "有效", NUMBER, "2024-01-10", "2", "植树"],
    ["3", "H-3", "1", "有效", NUMBER, "2024-02-30", "2", "植树"],
]
ORDERS = [
    ["兑换单号", "身份证号", "申请日期", "兑换积分", "兑换项目"],
    ["D-1", NUMBER, "2024-03-01", "20", "电影票"],
    ["D-2", NUMBER, "2024-03-01", "31", "电影票"],
]
LIST_HEADER = [
    "序号", "文件", "记录类型", "报送单位", "报送日期", "编码", "字节数", "SHA-256",
]  # fmt: skip


def write_folder(folder: Path) -> None:
    """The register is listed last and dated last, and comes first all the same."""
    files = [
        ("hours.csv", "volunteer_hours", "2024-02-01", "gb18030", HOURS),
        ("orders.csv", "points_orders", "2024-03-01", "utf-8", ORDERS),
        ("broken.csv", "volunteer_hours", "2024-03-01", "utf-8", [["服务日期"]]),
        ("people.csv", "members", "2024-12-31", "utf-8-sig", REGISTER),
    ]
    lines: list[Sequence[object]] = [LIST_HEADER]
    for seq, (name, kind, day, encoding, rows) in enumerate(files, start=1):
        raw = csv_text(rows).encode(encoding)
        (folder / name).write_bytes(raw)
        digest = hashlib.sha256(raw).hexdigest()
        lines.append([seq, name, kind, "某单位", day, encoding, len(raw), digest])
    (folder / "deliveries.csv").write_text(csv_text(lines), encoding="utf-8")


def csv_text(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def flask_command(*words: str) -> dict[str, Any]:
    """Run in an environment without a single setting."""
    flask = Path(sys.executable).with_name("flask")
    done = subprocess.run(
        [flask, "--app", "wsgi", "demo", *words],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(Path(words[words.index("--out") + 1]).read_bytes())
    return found


def test_a_folder_gives_its_results_without_any_setting(tmp_path: Path) -> None:
    write_folder(tmp_path)
    out = tmp_path / "out.json"
    found = flask_command(
        "results", "--data", str(tmp_path), "--out", str(out),
        "--as-of", "2024-02-29", "--as-of", "2023-12-01", "--as-of", "2026-01-09",
    )
    assert found["as_of"] == ["2023-12-01", "2024-02-29", "2026-01-09"]
    assert found["scheme"] == {"code": "jinhua-xinyijin", "version": "2026.1"}
    hours, orders, broken, register = found["deliveries"]
    assert hours == {
        "seq": 1, "file": "hours.csv", "delivered_on": "2024-02-01", "status": "processed",
        "file_reason": None, "rows": 3, "blank": 1, "accepted": 2, "corrected": 0, "voided": 0,
        "duplicate": 0, "superseded": 0, "dropped": 0, "refused_total": 1,
        "refused": {"bad_date": [5]},
    }  # fmt: skip
    assert (orders["accepted"], orders["refused"]) == (1, {"insufficient_points": [3]})
    assert (broken["status"], broken["file_reason"]) == ("refused", "bad_header")
    assert (register["rows"], register["accepted"], register["duplicate"]) == (2, 1, 1)
    assert found["members"] == {
        NUMBER: {
            "2023-12-01": None,
            "2024-02-29": {
                "indicators": {"301": 3}, "dimensions": {"1": 0, "2": 0, "3": 3, "4": 0},
                "total": 3, "tier": None,
                "points": {"balance": 50, "lots": [["2026-01-09", 50]], "shortfall": 0},
            },
            "2026-01-09": {
                "indicators": {}, "dimensions": {"1": 0, "2": 0, "3": 0, "4": 0},
                "total": 0, "tier": None, "points": {"balance": 0, "lots": [], "shortfall": 0},
            },
        },
    }  # fmt: skip


def break_hash(folder: Path) -> None:
    (folder / "hours.csv").write_bytes((folder / "hours.csv").read_bytes().replace(b"3.5", b"4.5"))


def break_size(folder: Path) -> None:
    (folder / "hours.csv").write_bytes((folder / "hours.csv").read_bytes() + b"\r\n")


def rewrite_list(folder: Path, old: str, new: str) -> None:
    path = folder / "deliveries.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "deliveries.csv").unlink(), "deliveries.csv cannot be read"),
        (lambda folder: (folder / "hours.csv").unlink(), "'hours.csv' cannot be read"),
        (break_hash, "the SHA-256 of hours.csv is"),
        (break_size, "hours.csv has"),
        (lambda folder: rewrite_list(folder, "2024-02-01", "1 Feb"), "deliveries.csv, row 2"),
        (lambda folder: rewrite_list(folder, "gb18030", "big5"), "'big5' is not a valid"),
        (lambda folder: rewrite_list(folder, "报送日期", "日期"), "the column 报送日期 is missing"),
        (lambda folder: rewrite_list(folder, "points_orders", "x"), "no record type 'x'"),
        (
            lambda folder: (folder / "expected.json").write_text("{}", encoding="utf-8"),
            "expected.json does not say its days",
        ),
    ],
)
def test_a_bad_folder_is_named(tmp_path: Path, harm: Any, message: str) -> None:
    write_folder(tmp_path)
    harm(tmp_path)
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        demo_commands, ["results", "--data", str(tmp_path), "--out", str(out)]
    )
    assert done.exit_code == 1
    assert message in done.output
    assert not out.exists()


def test_other_commands_still_name_the_missing_settings() -> None:
    flask = Path(sys.executable).with_name("flask")
    done = subprocess.run(
        [flask, "--app", "wsgi", "staff", "create", "demo", "--name", "demo"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )
    assert done.returncode != 0
    assert "DATABASE_URL is missing" in done.stderr
