"""Customers and sellers, with names and addresses in several languages and scripts. Phone numbers begin with 5, as no
Indian mobile number does, so that no real phone is called."""

import random
from typing import Final, NamedTuple

STAFF: Final = ("Asha Patil", "Ravi Kumar", "Meera Nair", "Imran Shaikh", "Sunita Devi")

_GIVEN: Final = (
    *("Aarav", "Aditi", "Ananya", "Arjun", "Bhavna", "Chitra", "Deepak", "Divya", "Farah", "Ganesh", "Gurpreet"),
    *("Harini", "Imran", "Ishita", "Jaya", "Karthik", "Kavita", "Lakshmi", "Manoj", "Meera", "Mohammed", "Nandini"),
    *("Neha", "Nikhil", "Pooja", "Pradeep", "Priya", "Rahul", "Ramesh", "Rekha", "Rohit", "Sana", "Sandeep"),
    *("Savita", "Shreya", "Siddharth", "Sneha", "Sunil", "Tanvi", "Thomas", "Uma", "Vijay", "Vikram", "Yusuf"),
)
_FAMILY: Final = (
    *("Sharma", "Patil", "Iyer", "Khan", "Nair", "Das", "Gill", "Joshi", "Reddy", "Bose", "Shah", "Rao", "Mehta"),
    *("Pillai", "D'Souza", "Fernandes", "Kulkarni", "Chatterjee", "Banerjee", "Verma", "Singh", "Naidu", "Gowda"),
)
_SCRIPTS: Final = (
    *("आशा पाटील", "रमेश शर्मा", "सुनीता देवी", "प्रिया वर्मा", "மீனா சுந்தரம்", "கார்த்திக் ராஜா", "লক্ষ্মী দাস"),
    *("অনির্বাণ বসু", "ગીતા શાહ", "હિતેશ પટેલ", "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "ಲಕ್ಷ್ಮೀ ಗೌಡ", "ಮಂಜುನಾಥ್", "లక్ష్మి రెడ్డి"),
    *("వెంకటేష్", "ലക്ഷ്മി നായർ", "തോമസ് കുര്യൻ", "فاطمہ شیخ", "محمد یوسف"),
)
_FIRMS: Final = (
    "Constructions",
    "Traders",
    "Interiors",
    "Caterers",
    "Textiles",
    "Electricals",
    "& Sons",
    "Enterprises",
)
_PLACES: Final = (
    *(
        "MG Road, Pune 411001",
        "Gandhi Nagar, Bengaluru 560009",
        "T. Nagar, Chennai 600017",
        "Salt Lake, Kolkata 700064",
    ),
    *("Karol Bagh, New Delhi 110005", "Navrangpura, Ahmedabad 380009", "Ameerpet, Hyderabad 500016"),
    *("Model Town, Ludhiana 141002", "Panampilly Nagar, Kochi 682036", "Aliganj, Lucknow 226024"),
    *("सदाशिव पेठ, पुणे", "गोमती नगर, लखनऊ", "அண்ணா நகர், சென்னை", "গড়িয়াহাট, কলকাতা", "નવરંગપુરા, અમદાવાદ"),
    *("ಜಯನಗರ, ಬೆಂಗಳೂರು", "అమీర్‌పేట, హైదరాబాద్", "പാലാരിവട്ടം, കൊച്ചി", "پرانی دلی، دہلی"),
)


class Customer(NamedTuple):
    customer_name: str
    customer_phone: str
    customer_address: str


def customers(chance: random.Random, count: int) -> list[Customer]:
    """Return customers with different phone numbers."""
    numbers = chance.sample(range(10**9), count)
    return [Customer(_name(chance), _phone(chance, number), _address(chance)) for number in numbers]


def _name(chance: random.Random) -> str:
    """Return a name: seven of ten in Latin letters, two in another script, one a company."""
    (kind,) = chance.choices(("latin", "script", "firm"), (7, 2, 1))
    if kind == "script":
        return chance.choice(_SCRIPTS)
    if kind == "firm":
        return f"{chance.choice(_FAMILY)} {chance.choice(_FIRMS)}"
    return f"{chance.choice(_GIVEN)} {chance.choice(_FAMILY)}"


def _phone(chance: random.Random, number: int) -> str:
    """Return a phone number in one of the usual notations."""
    digits = f"5{number:09d}"
    spaced = f"{digits[:5]} {digits[5:]}"
    return chance.choice((digits, digits, digits, spaced, f"+91 {spaced}", f"0{digits}"))


def _address(chance: random.Random) -> str:
    """Return an address: sometimes empty, sometimes in two lines."""
    between = chance.choice((", ", ", ", ", ", ",\n", ""))
    return f"{chance.randrange(1, 400)}{between}{chance.choice(_PLACES)}" if between else ""
