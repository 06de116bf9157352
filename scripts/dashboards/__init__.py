"""Grafana's dashboards as short descriptions, and the JSON that they come to.

`python -m scripts.dashboards` writes deploy/grafana/dashboards. Nothing of it is part of the service.
"""
