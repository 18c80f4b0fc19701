"""Generated data of a store: goods, people, carts, seasons. Pure; `plan.py` combines them."""
