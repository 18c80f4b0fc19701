"""The rules of passwords and PINs, after NIST SP 800-63B: a minimum length instead of character classes, and a list of
common passwords."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

MIN_LENGTH, MAX_LENGTH = 12, 256
PIN: Final = re.compile(r"[0-9]{6}", re.ASCII)

#: Common passwords of leaked lists that are long enough, without decoration.
_COMMONEST: Final = """
    password password1 passwordpassword passw0rdpassw0rd mypassword thisismypassword changeme changemenow letmein
    letmeinplease iloveyou iloveyousomuch iloveyouforever administrator adminadmin adminadminadmin rootrootroot
    welcome welcomewelcome welcomehome trustno1trustno1 correcthorsebatterystaple basketball footballfootball
    princessprincess sunshinesunshine superman supermansuperman dragondragon monkeymonkey michaeljordan
    manchesterunited liverpoolfc chocolatecake qwertyqwerty qwerty123456 asdfghasdfgh zxcvbnzxcvbn abcabcabcabc
    abc123abc123 123abc123abc a1b2c3d4e5f6 1q2w3e4r5t6y 1qaz2wsx3edc qazwsxedcrfv q1w2e3r4t5y6 zaq12wsxcde3
    pointofsale pointofsaleadmin shopkeeper mysecretpassword secretpassword supersecret defaultpassword
    jaishreeram jaimatadi omnamahshivaya harekrishna harekrishnahareram bismillah bismillahirrahman
    krishnakrishna ganeshganesh indiaindia bharatmatakijai
"""
_COMMON: Final = frozenset(_COMMONEST.split())
_DECORATION: Final = re.compile(r"[\W_]+")
_TRAILING: Final = re.compile(r"[0-9]{1,4}$")
#: Keyboard runs: passwords may be a part of one, forwards or backwards, perhaps repeated.
_RUNS: Final = tuple(
    run * 3
    for run in (
        "1234567890",
        "0123456789",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiop",
        "qwertyuiopasdfghjklzxcvbnm",
        "asdfghjkl",
        "zxcvbnm",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
        "1q2w3e4r5t6y7u8i9o0p",
    )
)
#: PINs in steps of one, such as 123456 and 987654.
_STEPS: Final = ("01234567890", "09876543210")


def normalize_password(secret: str) -> str:
    """Return a password as it is compared: in NFKC, however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", secret)


def password_error(password: str, names: Iterable[str]) -> str | None:
    """Return why a password is refused, as part of a sentence that does not quote it; None where it is accepted.

    :param names: the user name, the user's name and the shop's, which it must not be, with or without decoration.
    """
    plain = normalize_password(password)
    if not MIN_LENGTH <= len(plain) <= MAX_LENGTH:
        return f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"
    bare = _DECORATION.sub("", plain.casefold())
    if len(set(bare)) <= 1 or _is_repeated(bare):
        return "must not repeat one piece over and over"
    if any(run in (bare, bare[::-1]) or bare in run or bare[::-1] in run for run in _RUNS):
        return "must not be a run over the keyboard"
    if bare in _COMMON or _TRAILING.sub("", bare) in _COMMON:
        return "is among those that are tried first"
    if _is_made_of(bare, {_DECORATION.sub("", name.casefold()) for name in names} - {""}):
        return "must not be your name or the shop's"
    return None


def _is_made_of(bare: str, names: set[str]) -> bool:
    """Return whether a text consists of these names, however often, and up to four digits."""
    for name in sorted(names, key=len, reverse=True):
        bare = bare.replace(name, "")
    return _TRAILING.fullmatch(bare) is not None or not bare


def pin_error(pin: str) -> str | None:
    """Return why a PIN is refused, as part of a sentence that does not quote it; None where it is accepted."""
    if not PIN.fullmatch(pin):
        return "must have six digits"
    if _is_repeated(pin) or any(pin in step for step in _STEPS):
        return "must not be one of those that are tried first, as 111111 or 123456"
    return None


def _is_repeated(text: str) -> bool:
    """Return whether a text repeats a piece of up to four characters."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, min(4, len(text) // 2) + 1))
