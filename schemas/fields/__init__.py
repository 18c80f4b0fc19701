"""Marshmallow fields and schemas that every domain uses: what comes in, what goes out, and their JSON schemas."""
