"""The goods of each trade, the best selling first: name, price in rupees, usual quantity."""

from typing import Final, NamedTuple


class Product(NamedTuple):
    """One product. `most`: the largest usual quantity; `by_weight`: whether quantities are fractions, such as 1.250
    kg."""

    name: str
    price: float
    most: int = 3
    by_weight: bool = False


_HARDWARE: Final = (
    Product("Cement OPC 53 grade, 50 kg", 415, 40),
    Product("Binding wire, kg", 78.5, 10, True),
    Product("Wire nails 2 inch, kg", 92, 5, True),
    Product("PVC pipe 1 inch, 6 m", 268, 12),
    Product("White putty 20 kg", 849, 6),
    Product("TMT bar 12 mm, kg", 62.75, 200),
    Product("Asian emulsion 10 l", 2_890, 4),
    Product("Primer 4 l", 745, 4),
    Product("Paint brush 4 inch", 135, 4),
    Product("Sandpaper sheet 120", 14.5, 20),
    Product("Teflon tape", 20, 10),
    Product("CPVC elbow 3/4 inch", 18.25, 30),
    Product("Brass bib cock 15 mm", 385, 6),
    Product("Hacksaw frame", 240, 1),
    Product("Claw hammer 500 g", 349.5, 2),
    Product("Screwdriver set", 425, 1),
    Product("Wood screws 35 mm, box", 118, 5),
    Product("Door hinge 4 inch, pair", 165, 8),
    Product("Mortise lock", 1_240, 3),
    Product("Plywood 18 mm 8x4 ft", 2_650, 8),
    Product("Fevicol 1 kg", 289, 4),
    Product("LED bulb 9 W", 99, 12),
    Product("Modular switch 6 A", 48, 24),
    Product("Copper wire 2.5 mm, 90 m", 3_480, 3),
    Product("MCB 16 A", 210, 6),
    Product("Ceiling fan 1200 mm", 2_150, 4),
    Product("Floor tile 2x2 ft, box", 890, 30),
    Product("Tile adhesive 20 kg", 560, 10),
    Product("Water tank 1000 l", 7_450, 1),
    Product("Measuring tape 5 m", 145, 2),
)
_GROCERY: Final = (
    Product("Toor dal, kg", 164, 3, True),
    Product("Sona Masoori rice, kg", 62, 10, True),
    Product("Aashirvaad atta 10 kg", 489, 2),
    Product("Sugar, kg", 44.5, 5, True),
    Product("Sunflower oil 1 l", 148, 4),
    Product("Milk 500 ml", 29, 6),
    Product("Salt 1 kg", 28, 2),
    Product("Tea powder 250 g", 145, 2),
    Product("Turmeric powder 200 g", 64, 2),
    Product("Red chilli powder 200 g", 96, 2),
    Product("Onions, kg", 38, 5, True),
    Product("Potatoes, kg", 32, 5, True),
    Product("Tomatoes, kg", 46, 3, True),
    Product("Basmati rice, kg", 128, 5, True),
    Product("Moong dal, kg", 132, 2, True),
    Product("Paneer 200 g", 92, 3),
    Product("Ghee 1 l", 645, 2),
    Product("Biscuits, packet", 10, 12),
    Product("Instant noodles", 14, 12),
    Product("Bathing soap", 42, 6),
    Product("Washing powder 1 kg", 128, 2),
    Product("Coconut", 35, 4),
    Product("Jaggery, kg", 68, 2, True),
    Product("Cashew nuts, kg", 940, 1, True),
    Product("Agarbatti, box", 55, 3),
    Product("Toothpaste 150 g", 112, 2),
)
_CLOTHING: Final = (
    Product("Cotton kurta", 799),
    Product("Men's formal shirt", 1_199),
    Product("Handkerchief, set of 3", 149, 4),
    Product("Cotton saree", 1_450),
    Product("Leggings", 349, 4),
    Product("School uniform shirt", 425, 4),
    Product("Dhoti with border", 565),
    Product("Kanchipuram silk saree", 8_950, 1),
    Product("Jeans", 1_599),
    Product("Dupatta", 399),
    Product("T-shirt", 449, 4),
    Product("Salwar set, unstitched", 1_275),
    Product("Lungi", 299, 4),
    Product("Bedsheet double", 999),
    Product("Bath towel", 329, 4),
    Product("Children's frock", 649),
    Product("Sherwani", 6_499, 1),
    Product("Woollen shawl", 1_850, 2),
    Product("Blouse piece, metre", 185, 3, True),
    Product("Socks, pair", 99, 6),
)
TRADES: Final = {"hardware": _HARDWARE, "grocery": _GROCERY, "clothing": _CLOTHING}
