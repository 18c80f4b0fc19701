"""A shop that never was, for trying things out: what it sells, to whom, when. Pure; `plan.py` puts it together."""
