"""Everything the sandbox remembers, behind one lock."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from wechat_integration.sandbox.access_tokens import AccessTokens
from wechat_integration.sandbox.clock import SandboxClock
from wechat_integration.sandbox.codes import LoginRate, LoginUser, OneTimeCodes, PhoneOwner
from wechat_integration.sandbox.faults import Faults
from wechat_integration.sandbox.inbox import Inbox
from wechat_integration.sandbox.pay_bills import PayBills
from wechat_integration.sandbox.pay_notices import NoticeSender
from wechat_integration.sandbox.pay_orders import PayOrders
from wechat_integration.sandbox.people import Nonces, People

if TYPE_CHECKING:
    from wechat_integration.sandbox.settings import SandboxSettings
    from wechat_integration.sandbox.sms_routes import SentNotice, SentPin


class World:
    """The state; whoever reads or changes it (other than ``faults``) holds ``lock``."""

    def __init__(self, *, settings: SandboxSettings) -> None:
        self.settings = settings
        self.lock = threading.Lock()
        self.faults = Faults()
        self.clock = SandboxClock()
        self.reset()

    def reset(self) -> None:
        """Forget everything, put the clock right and lift all faults."""
        self.faults.clear()
        self.clock.reset()
        self.login_codes: OneTimeCodes[LoginUser] = OneTimeCodes(self.clock)
        self.phone_codes: OneTimeCodes[PhoneOwner] = OneTimeCodes(self.clock)
        self.login_rate = LoginRate(self.clock)
        self.blocked: set[str] = set()
        self.tokens = AccessTokens(self.clock, self.settings)
        self.inbox = Inbox()
        self.pins: list[SentPin] = []
        self.notices: list[SentNotice] = []
        self.people = People()
        self.nonces = Nonces(self.clock)
        self.pay_orders = PayOrders(self.clock)
        self.pay_bills = PayBills(
            self.clock, merchant_id=self.settings.pay_keys.merchant_id
        )
        self.pay_nonces: set[str] = set()
        self.pay_notices = NoticeSender(
            self.settings.pay_keys, self.settings.pay_waits_seconds,
            self.settings.pay_notice_more_times,
        )
        self.calls: Counter[str] = Counter()
