"""Measures of success: how soon and how often teams deliver, what breaks, and what people say, computed from stored events.

sources (Argo CD, tasks, webhooks, imports, survey) -> store -> figures -> api, metrics
"""
