"""What a search finds: names and phone numbers, however they were typed."""

import pytest

from schemas.search import readings_of, terms_of


def finds(query: str, name: str = "", phone: str = "") -> bool:
    terms = terms_of(name, phone)
    return any(
        bool(words) and all(any(term.startswith(word) for term in terms) for word in words)
        for words in readings_of(query)
    )


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("brien", "O'Brien (Ravi)"),
        ("o'brien", "O'Brien (Ravi)"),
        ("ravi", "O'Brien (Ravi)"),
        ("(ra", "O'Brien (Ravi)"),
        ("STRASSE", "Straße"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("am\u00e9", "AME\u0301LIE"),
        ("सुनी", "सुनीता शर्मा"),
        ("शर्मा", "सुनीता शर्मा"),
        ("fi", "ﬁne"),
        ("n14", " ".join(f"n{n}" for n in range(100))),
        ("12 34", "Flat 12 34"),
    ],
)
def test_a_name_is_found_by_the_beginnings_of_its_words(query: str, name: str) -> None:
    assert finds(query, name=name)
    assert not finds(query, name="Somebody Else")


@pytest.mark.parametrize(
    "stored", ["9876543210", "98765 43210", "+91 98765 43210", "+91-98765-43210", "09876543210", "919876543210"]
)
@pytest.mark.parametrize(
    "query",
    ["9876543210", "98765 43210", "+91 98765 43210", "+919876", "98765-4", "(98765) 43210", "09876543210", "987"],
)
def test_a_phone_number_is_found_however_either_was_typed(query: str, stored: str) -> None:
    assert finds(query, name="Asha", phone=stored)
    assert not finds(query, name="Asha", phone="9123456789")


def test_name_and_number_may_stand_together() -> None:
    assert finds("asha 98765 43210", name="Asha Rao", phone="+919876543210")
    assert not finds("asha 98765 43211", name="Asha Rao", phone="+919876543210")


def test_marks_alone_find_nothing() -> None:
    assert not finds("…", name="…")
