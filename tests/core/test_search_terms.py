"""The search finds names and phone numbers in any spelling."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text.folding import fold
from schemas.text.search_terms import query_variants, search_terms, split_words


def finds(query: str, name: str = "", phone: str = "") -> bool:
    terms = search_terms(name, phone)
    return any(
        bool(words) and all(any(term.startswith(word) for term in terms) for word in words)
        for words in query_variants(query)
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
    assert not finds(query, name="Another Person")


@pytest.mark.parametrize(
    "stored", ["9876543210", "98765 43210", "+91 98765 43210", "+91-98765-43210", "09876543210", "919876543210"]
)
@pytest.mark.parametrize(
    "query",
    ["9876543210", "98765 43210", "+91 98765 43210", "+919876", "98765-4", "(98765) 43210", "09876543210", "987"],
)
def test_a_phone_number_is_found_in_any_notation(query: str, stored: str) -> None:
    assert finds(query, name="Asha", phone=stored)
    assert not finds(query, name="Asha", phone="9123456789")


def test_a_query_may_have_a_name_and_a_number() -> None:
    assert finds("asha 98765 43210", name="Asha Rao", phone="+919876543210")
    assert not finds("asha 98765 43211", name="Asha Rao", phone="+919876543210")


def test_punctuation_alone_finds_nothing() -> None:
    assert not finds("…", name="…")


ZWNJ, ZWJ, ZWSP = "\u200c", "\u200d", "\u200b"
#: Pairs that are one name to a reader, in both directions.
ONE_NAME = [
    ("അന്\u200dവര്\u200d", "അൻവർ"),
    ("അന്വര്", "അൻവർ"),
    ("എന്\u200dറെ", "എൻറെ"),
    ("എൻ്റെ", "എന്റെ"),
    ("കണ്\u200d", "കൺ"),
    ("പാല്\u200d", "പാൽ"),
    ("അവള്\u200d", "അവൾ"),
    ("ഡൌൺ", "ഡൗൺ"),
    ("হঠাৎ", "হঠাত্\u200d"),
    (f"क्{ZWNJ}षमा", "क्षमा"),
    (f"क्{ZWJ}षमा", "क्षमा"),
    (f"शर्{ZWJ}मा", "शर्मा"),
    (f"{ZWSP}आशा{ZWSP}", "आशा"),
    (f"A{ZWSP}sha", "Asha"),
    ("As\u00adha", "Asha"),
    ("As\u2060ha\ufeff", "Asha"),
    ("\u202aAsha\u202c", "Asha"),
    ("Asha\ufe0f", "Asha"),
    (f"می{ZWNJ}خواهم", "میخواهم"),
    ("علي", "علی"),
    ("مصطفى", "مصطفی"),
    ("كريم", "کریم"),
    ("ڪريم", "کریم"),
    ("ہاشم", "هاشم"),
    ("مـحـمـد", "محمد"),
    ("مُحَمَّد", "محمد"),
    ("أحمد", "احمد"),
    ("آدم", "ادم"),
    ("ٱحمد", "احمد"),
    ("ﻣﺤﻤﺪ", "محمد"),
    ("क़ादिर", "क\u093cादिर"),
    ("क़ादिर", "कादिर"),
    ("ज़ाकिर", "जाकिर"),
    ("ਸ਼ਾਮ", "ਸ\u0a3cਾਮ"),
    ("ড়", "ড\u09bc"),
    ("அொ", "அெ\u0bbe"),
    ("கொ", "கெ\u0bbe"),
    ("ஶ்ரீ", "ஸ்ரீ"),
    ("अाशा", "आशा"),
    ("Ａｓｈａ", "asha"),
    ("Straße", "STRASSE"),
    ("ſtraſſe", "strasse"),
    ("José", "Jose"),
    ("Jose\u0301", "JOSÉ"),
    ("Søren Łukasz", "soren lukasz"),
    ("Æthel", "aethel"),
    ("İnci", "inci"),
    ("ΣΟΦΟΣ", "σοφος"),
    ("Šárka", "sarka"),
    ("Nguyễn", "nguyen"),
    ("D\u02bcSouza", "D'Souza"),
    ("D’Souza", "D'Souza"),
    ("ﬁne", "fine"),
    ("Room १२", "room 12"),
    ("Room ١٢", "room ۱۲"),
    ("ガギ", "ｶﾞｷﾞ"),
    ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
]
#: Words that differ by a vowel sign, a virama, an anusvara or a letter: different to a reader, and here.
TWO_NAMES = [
    ("राम", "रमा"),
    ("राम", "रम"),
    ("सीता", "सिता"),
    ("हंस", "हस"),
    ("हँस", "हस"),
    ("कम", "कर्म"),
    ("श्री", "शरी"),
    ("कला", "काला"),
    ("दुख", "दुःख"),
    ("രാമൻ", "രാമ"),
    ("കാവ്യ", "കാവയ"),
    ("ராமன்", "ராமன"),
    ("கண்ணன்", "கணணன"),
    ("రాజై", "రాజె"),
    ("রাম", "রমা"),
    ("ਰਾਮ", "ਰਮ"),
    ("ka", "か"),
    ("かき", "かぎ"),
    ("Asha", "Usha"),
    ("حسن", "حسین"),
]


@pytest.mark.parametrize(("one", "other"), ONE_NAME)
def test_names_that_are_equal_to_a_reader_are_equal_for_the_search(one: str, other: str) -> None:
    assert fold(one).split() == fold(other).split()
    assert finds(one, name=other)
    assert finds(other, name=one)
    assert finds(one[: len(one) // 2].strip() or one, name=one)


@pytest.mark.parametrize(("one", "other"), TWO_NAMES)
def test_words_that_differ_to_a_reader_differ_for_the_search(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    once = fold(text)
    assert fold(once).split() == once.split()
    assert split_words(once) == split_words(text)


@given(st.text(min_size=1, max_size=30))
def test_a_name_is_found_in_any_unicode_normal_form(name: str) -> None:
    if split_words(name):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert finds(unicodedata.normalize(form, name), name=name)
        assert finds(f"\u200b{name}\ufeff", name=name)


@pytest.mark.parametrize(
    "query", ["0919822012345", "9822012345 (wife)", "९८२२०१२३४५", "98220 12345", "+91 98220", "0091982"]
)
@pytest.mark.parametrize(
    "stored", ["0919822012345", "091-98220-12345", "9822012345 (wife)", "９８２２０१２३४５", "9822012345.0"]
)
def test_a_stored_number_with_a_remark_is_found_in_any_notation(query: str, stored: str) -> None:
    assert finds(query, name="Asha", phone=stored)
    assert not finds(query, name="Asha", phone="9123456789")


@pytest.mark.parametrize("query", ["+1 650 253 0000", "650 253 0000", "16502530000"])
def test_a_number_of_another_country_is_found_with_its_code_and_without(query: str) -> None:
    assert finds(query, phone="+1 650-253-0000")
