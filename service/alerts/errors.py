"""Errors of alert delivery.

ServiceError
└── PoisonError
    ├── TargetRefused       a webhook's URL is malformed, or leads to an address that webhooks may not reach
    ├── TooManyWebhooks     the project has as many webhooks as it may have
    ├── FormatIncomplete    the format of a webhook's body needs something that was not given
    ├── WebhookDisabled     nothing is sent to the webhook until it is enabled
    └── NotFound
        ├── WebhookNotFound     the project has no such webhook
        └── DeliveryNotFound    the webhook has no such delivery, or its record has aged away
"""

from __future__ import annotations

from service.errors import NotFound, PoisonError


class TargetRefused(PoisonError):
    """A target that webhooks may not reach. `target` is the URL or host; `lasting` is False where DNS may answer
    otherwise later."""

    def __init__(self, target: str, reason: str, *, lasting: bool = True) -> None:
        super().__init__(f"this webhook target is refused: {reason}")
        self.target = target
        self.lasting = lasting


class TooManyWebhooks(PoisonError):
    """The project is at its limit."""

    def __init__(self, project: str, limit: int) -> None:
        super().__init__(f"project {project} has {limit} webhooks, which is the most it may have: delete one first")
        self.project = project
        self.limit = limit


class FormatIncomplete(PoisonError):
    """The format of a webhook's body needs something that was not given."""


class WebhookDisabled(PoisonError):
    """The webhook is disabled."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"webhook {webhook_id} is disabled: enable it first (POST /v1/webhooks/{webhook_id}/enable)")
        self.webhook_id = webhook_id


class WebhookNotFound(NotFound):
    """The project has no such webhook."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"there is no webhook {webhook_id}")
        self.webhook_id = webhook_id


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"this webhook has no delivery {delivery_id}, or its record has aged away")
        self.delivery_id = delivery_id
