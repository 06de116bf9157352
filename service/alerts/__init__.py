"""Alerts on their way out: from a partition's outbox to signed webhooks, durably.

What may live here: the registry of webhooks, the guard on their targets, fan-out of outbox entries into deliveries,
sending, retrying, and the HTTP routes over these. What may not: scoring, run state, and anything that decides
whether to alert.

The seam to the worker is one Redis stream per partition (`keys.outbox_key`): the commit script appends an entry,
and from then on the alert is this package's duty. Delivery is at least once, with one stable `webhook-id` for an
alert and a webhook.
"""
