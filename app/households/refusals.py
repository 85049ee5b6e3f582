"""Why a household is not formed, joined or shown."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotAllowed, NotFound


class HouseholdTaken(Conflict):
    """One household per citizen at a time."""

    code: ClassVar[str] = "household_taken"
    title: ClassVar[str] = "The citizen is in a household already"
    advice: ClassVar[str] = "您已在一个家庭中，请先退出后再加入或新建家庭。"


class HouseholdMissing(NotFound):
    """The citizen is in no household."""

    code: ClassVar[str] = "household_missing"
    title: ClassVar[str] = "The citizen is in no household"
    advice: ClassVar[str] = "您尚未加入家庭，可自行新建家庭或凭户主的邀请加入。"


class HouseholdHeadNeeded(NotAllowed):
    """Only the head invites."""

    code: ClassVar[str] = "household_head_needed"
    title: ClassVar[str] = "Only the head of a household may do this"
    advice: ClassVar[str] = "请由户主操作。"


class HouseholdFull(Conflict):
    """A household has as many adults, or open invitations, as it may have."""

    code: ClassVar[str] = "household_full"
    title: ClassVar[str] = "The household has as many adults or open invitations as it may have"
    advice: ClassVar[str] = "家庭成年人数或未使用的邀请已达上限。"


class InvitationDead(NotFound):
    """The invitation was used, is too old, or never was; or its household is gone."""

    code: ClassVar[str] = "household_invitation_dead"
    title: ClassVar[str] = "The invitation is not good, or not any more"
    advice: ClassVar[str] = "邀请无效或已过期，请户主重新发出邀请。"


class VillageUnknown(NotFound):
    """There is no such village."""

    code: ClassVar[str] = "village_unknown"
    title: ClassVar[str] = "There is no such village"
    advice: ClassVar[str] = "没有找到该村（社区），请从列表中选择。"


class VillageTaken(Conflict):
    """The code belongs to a village of another name."""

    code: ClassVar[str] = "village_taken"
    title: ClassVar[str] = "The code belongs to another village"
    advice: ClassVar[str] = "该编码已用于其他村（社区），请核对。"
