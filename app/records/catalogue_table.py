"""The information catalogue as a table: a line for each column of each record type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.records.catalogue import Disclosure
from app.records.queries import CatalogueEdition

HEADER: Final = (
    "目录版本", "发布日期", "类型编码", "类型名称", "来源单位", "披露类别", "更新频率",
    "保存天数", "法律依据", "性质", "基础目录条目", "证据字段", "最长天数",
    "字段", "字段类型", "可空", "最小值", "最大值", "小数位",
)  # fmt: skip
DISCLOSURES: Final = {
    Disclosure.PUBLIC: "社会公开",
    Disclosure.CONSENT: "授权查询",
    Disclosure.GOVERNMENT: "政务共享",
}


def catalogue_table(edition: CatalogueEdition) -> Iterator[Sequence[object]]:
    """The header, then the lines in the order of the catalogue."""
    yield HEADER
    published = (edition.version, edition.published_on.isoformat())
    for kind in edition.catalogue.record_types.values():
        about = (
            kind.code, kind.title, kind.unit, DISCLOSURES[kind.disclosure], kind.update_frequency,
            kind.retention_days, kind.legal_basis, "正面" if kind.positive else "负面",
            kind.directory, kind.evidence, kind.term_days,
        )  # fmt: skip
        for column in kind.columns:
            optional = "是" if column.optional else "否"
            numbers = (column.least, column.most, column.places)
            yield (*published, *about, column.name, column.kind.value, optional, *numbers)
