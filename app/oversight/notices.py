"""What people and the authority read of an incident, in plain Chinese (PIPL, art. 57)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from app.kernel.clock import CITY_ZONE
from app.oversight.affected import IN_TABLE
from app.oversight.incidents import AffectedPerson, KnownIncident
from app.rights.labels import labels
from app.trail.wording import field_name, what_was_done

_SCOPES: Final[Mapping[str, str]] = {
    "staff": "一个工作人员账号", "device": "一台设备", "partner": "一家合作单位",
    "source": "一个数据来源单位", "key": "一把数据密钥", "table": "一张数据表",
    "everybody": "平台的查看记录",
}
_NOT_YET: Final = "尚未"


def notice_to_person(incident: KnownIncident, person: AffectedPerson) -> str:
    """What a person is told: what happened, what was seen of them, what is and can be done."""
    return "\n".join([
        f"我们于{_day(incident.found_at)}发现一起个人信息安全事件，涉及您的信息，特此告知。",
        f"原因：{incident.cause}",
        f"涉及您的信息：{told(person.seen)}。",
        f"时间：{_moment(person.first_at)}至{_moment(person.last_at)}，记录{person.line_count}条。",
        f"可能造成的影响：{incident.harm}",
        f"我们已采取的措施：{incident.measures}",
        f"您可以采取的措施：{incident.advice}",
        f"咨询方式：{incident.contact}",
    ])  # fmt: skip


def report_to_authority(incident: KnownIncident) -> str:
    """The document for the authority, with counts and times; no person is named in it."""
    head = "个人信息安全事件报告" + ("（演练）" if incident.is_drill else "")
    return "\n".join([
        head,
        f"事件编号：{incident.incident_id}",
        f"发现时间：{_moment(incident.found_at)}",
        f"发生时间：{_moment(incident.seen_from)}至{_moment(incident.seen_until)}",
        f"涉及范围：{_SCOPES[incident.scope]}",
        "一、信息种类、原因和可能造成的危害",
        f"受影响人数：{incident.people_count}人",
        *(f"　{told([seen])}：{count}人" for seen, count in incident.seen_counts.items()),
        f"原因：{incident.cause}",
        f"可能造成的危害：{incident.harm}",
        "二、已采取的补救措施和个人可以采取的减轻危害的措施",
        f"补救措施：{incident.measures}",
        f"个人可以采取的措施：{incident.advice}",
        f"告知个人：{_since(incident.released_at)}放行，已告知{incident.noticed_count}人",
        "三、联系方式",
        incident.contact,
        f"报告期限：{_moment(incident.authority_due_at)}；清点完成：{_since(incident.counted_at)}",
    ]) + "\n"  # fmt: skip


def told(seen: Iterable[str]) -> str:
    """What was seen, in words: tables by their names, acts with the fields that were read."""
    tables: set[str] = set()
    acts: dict[str, set[str]] = {}
    for one in seen:
        if one.startswith(IN_TABLE):
            tables.add(_table_name(one.removeprefix(IN_TABLE)))
        else:
            action, _, name = one.partition(":")
            acts.setdefault(action, set()).update({field_name(name)} if name else ())
    words = [what_was_done(action, sorted(fields)) for action, fields in sorted(acts.items())]
    return "；".join([*sorted(tables), *words])


def _table_name(name: str) -> str:
    return labels()["tables"].get(name, "其他有关信息")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}"


def _day(moment: datetime) -> str:
    local = moment.astimezone(CITY_ZONE)
    return f"{local.year}年{local.month}月{local.day}日"


def _since(moment: datetime | None) -> str:
    return _NOT_YET if moment is None else _moment(moment)
