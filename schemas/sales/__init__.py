"""Estimates and orders: bodies, pricing, statuses, serializers, lists."""
