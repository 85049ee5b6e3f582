"""Why a desk or a machine of a library is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotAllowed, NotFound, Unauthenticated


class NotALibrary(NotAllowed):
    """The merchant takes no benefit that lends books."""

    code: ClassVar[str] = "not_a_library"
    title: ClassVar[str] = "The merchant takes no benefit that lends books"
    advice: ClassVar[str] = "本机构未开通信易阅，请联系平台管理员。"


class DepositNotWaived(Conflict):
    """The holder gets no waiver of this kind now; the ordinary deposit stays possible."""

    code: ClassVar[str] = "deposit_not_waived"
    title: ClassVar[str] = "The holder gets no waiver of this kind now"
    advice: ClassVar[str] = "当前不符合免押条件，请按基础标准办理押金。"


class LibraryWaiverHeld(Conflict):
    """The holder has a live waiver of this kind at this library."""

    code: ClassVar[str] = "library_waiver_held"
    title: ClassVar[str] = "The holder has a waiver of this kind here"
    advice: ClassVar[str] = "此人在本馆已有同类免押登记，无需重复办理。"


class LibraryWaiverUnknown(NotFound):
    """The receipt stands for no waiver of this library."""

    code: ClassVar[str] = "library_waiver_unknown"
    title: ClassVar[str] = "There is no such waiver at this library"
    advice: ClassVar[str] = "本馆没有这笔免押登记，请核对凭证。"


class LibraryReaderUnknown(NotFound):
    """The library's own code belongs to nobody with a live waiver here, or to several."""

    code: ClassVar[str] = "library_reader_unknown"
    title: ClassVar[str] = "The reader's code stands for nobody with a waiver here"
    advice: ClassVar[str] = "请出示诚信卡二维码，或按基础标准借阅。"


class LibraryMachineExists(Conflict):
    """There is a machine with this id; its password was told once."""

    code: ClassVar[str] = "library_machine_exists"
    title: ClassVar[str] = "There is such a machine already"
    advice: ClassVar[str] = "该设备已登记，密码遗失请重新生成。"


class LibraryMachineUnknown(NotFound):
    """The caller has no such machine."""

    code: ClassVar[str] = "library_machine_unknown"
    title: ClassVar[str] = "There is no such machine"
    advice: ClassVar[str] = "没有找到该自助设备，请核对后重试。"


class LibraryMachineRefused(Unauthenticated):
    """The machine's login or password is another one."""

    code: ClassVar[str] = "library_machine_refused"
    title: ClassVar[str] = "The machine's login is refused"
    advice: ClassVar[str] = "设备账号或密码有误，请联系馆员。"


class LibraryMachineSuspended(NotAllowed):
    """The machine was suspended; it learns nothing until it is allowed again."""

    code: ClassVar[str] = "library_machine_suspended"
    title: ClassVar[str] = "The machine is suspended"
    advice: ClassVar[str] = "此设备已停用，请到服务台办理。"
