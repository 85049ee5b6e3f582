"""Why an endpoint or a delivery is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotFound


class WebhookUrlRefused(Invalid):
    """No webhook goes to such a URL; `reason` says why."""

    code: ClassVar[str] = "webhook_url_refused"
    title: ClassVar[str] = "No webhook goes to this URL"
    advice: ClassVar[str] = "推送地址不可用，请填写公网可访问的 https 地址。"


class WebhookEndpointUnknown(NotFound):
    """The merchant has no such endpoint."""

    code: ClassVar[str] = "webhook_endpoint_unknown"
    title: ClassVar[str] = "The merchant has no such endpoint"
    advice: ClassVar[str] = "没有找到该推送地址，请刷新列表后重试。"


class WebhookEndpointsFull(Conflict):
    """The merchant has as many endpoints as one may have."""

    code: ClassVar[str] = "webhook_endpoints_full"
    title: ClassVar[str] = "The merchant has no room for another endpoint"
    advice: ClassVar[str] = "推送地址数量已达上限，请先删除不用的地址。"


class WebhookEndpointDisabled(Conflict):
    """The endpoint is disabled: nothing is sent to it."""

    code: ClassVar[str] = "webhook_endpoint_disabled"
    title: ClassVar[str] = "The endpoint is disabled"
    advice: ClassVar[str] = "该推送地址已停用，请先启用后再操作。"


class WebhookDeliveryUnknown(NotFound):
    """The endpoint has no such delivery, or not any more."""

    code: ClassVar[str] = "webhook_delivery_unknown"
    title: ClassVar[str] = "The endpoint has no such delivery"
    advice: ClassVar[str] = "没有找到该推送记录，可能已超过保存期限。"
