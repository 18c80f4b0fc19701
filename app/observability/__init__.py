"""Logs, metrics, traces, error reports."""
