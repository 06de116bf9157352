"""Every page, in one list."""

from __future__ import annotations

from fastapi import APIRouter

from service.alerts.acts import WebhookActs
from service.api.deps import ApiDeps
from service.pages.alert_pages import build_alert_pages
from service.pages.audit_page import build_audit_page
from service.pages.deletion_pages import build_deletion_pages
from service.pages.key_pages import build_key_pages
from service.pages.monitor_pages import build_monitor_pages
from service.pages.project_pages import build_project_pages
from service.pages.rendering import Pages
from service.pages.run_list import build_run_list
from service.pages.run_page import build_run_page
from service.pages.sign_in import build_sign_in_pages
from service.pages.static_files import build_static_files
from service.pages.webhook_pages import build_webhook_pages


def build_all_pages(deps: ApiDeps, webhooks: WebhookActs, pages: Pages) -> list[APIRouter]:
    """The routers of all pages, and of the files that they need."""
    return [
        build_static_files(),
        build_sign_in_pages(deps, pages),
        build_run_list(deps, pages),
        build_run_page(deps, pages),
        build_alert_pages(deps, pages),
        build_monitor_pages(deps, pages),
        build_webhook_pages(webhooks, pages),
        build_key_pages(deps, pages),
        build_project_pages(deps, pages),
        build_audit_page(deps, pages),
        build_deletion_pages(deps, pages),
    ]
