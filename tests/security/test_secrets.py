"""S48, S49: where randomness and cryptography come from, looked up in the code itself.

The denials (no `random`, MD5, SHA-1, ECB) stand in tests/house and tests/members; here is what is
allowed, and how much of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.conftest import ROOT
from tests.house.house import parsed, product_files, where
from tests.house.test_gates import dotted

AEAD_NONCE_BYTES = 12  # 96 bits, as GCM wants
BITS_MIN = 128
ALLOWED_CRYPTOGRAPHY = {
    "AESGCM", "Cipher", "modes", "algorithms", "SM4", "HMAC", "hashes", "hmac", "InvalidTag",
    "InvalidSignature", "HKDF", "Ed25519PrivateKey", "Ed25519PublicKey",
}  # fmt: skip
# What WeChat Pay signs with, in what stands in for it; nothing of ours does.
PAY_SCORE = {"PKCS1v15", "SHA256", "rsa", "serialization"}
ALLOWED_HASHES = {"sha256", "sha384", "sha512", "sha3_256", "blake2b"}
ALLOWED_MODES = {"GCM"}
# WeChat Pay names the SHA-1 of a bill in an answer that it signs; it shows that the file is whole.
BILLS = ("wechat_integration/bills.py", "wechat_integration/sandbox/pay_bills.py")


def named_numbers() -> dict[str, int]:
    """Constants of the modules that are whole numbers, by name."""
    return {
        target.id: node.value.value
        for path in product_files() for node in parsed(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }  # fmt: skip


def random_calls() -> Iterator[tuple[str, str, int]]:
    """Where bytes are drawn, by which function, how many."""
    numbers = named_numbers()
    for path in product_files():
        if "sandbox" in path.parts:  # it plays somebody else
            continue
        for node in ast.walk(parsed(path)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and dotted(called).startswith("secrets.token_"):
                assert isinstance(node, ast.Call)
                drawn = node.args[0]
                if isinstance(drawn, ast.Constant):
                    assert isinstance(drawn.value, int)
                    yield where(path, node), called.attr, drawn.value
                else:
                    assert isinstance(drawn, ast.Name)
                    yield where(path, node), drawn.id, numbers[drawn.id]


def test_s48_what_is_drawn_has_128_bits() -> None:
    drawn = list(random_calls())
    assert len(drawn) >= 5
    short = [
        (place, what) for place, what, size in drawn
        if size * 8 < BITS_MIN and not (what == "NONCE_BYTES" and size == AEAD_NONCE_BYTES)
    ]  # fmt: skip
    assert short == []


def test_s49_only_these_ciphers_and_hashes() -> None:
    used: set[str] = set()
    hashed: set[str] = set()
    moded: set[str] = set()
    for path in product_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cryptography"):
                names = {alias.name for alias in node.names}
                used |= names - PAY_SCORE if path.parent.name == "sandbox" else names
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "hashlib" and not str(path).endswith(BILLS):
                    hashed.add(node.attr)
                if node.value.id == "modes":
                    moded.add(node.attr)
    assert used - ALLOWED_CRYPTOGRAPHY == set()
    assert hashed - ALLOWED_HASHES == set()
    assert moded - ALLOWED_MODES == set()


def test_s49_the_digest_of_a_bill_is_for_no_security() -> None:
    calls = [
        ast.unparse(node)
        for path in product_files() if str(path).endswith(BILLS) for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and dotted(node.func).startswith("hashlib.")
    ]  # fmt: skip
    assert calls == ["hashlib.new('sha1', plain, usedforsecurity=False)"] * 2


def test_s50_there_is_one_hasher_of_passwords() -> None:
    makers = [
        where(path, node)
        for path in product_files() for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and node.func.id in {"PasswordHasher", "Scrypt", "pbkdf2_hmac", "scrypt"}
    ]  # fmt: skip
    assert [place.split(":")[0] for place in makers] == ["app/members/staff.py"]
    assert (ROOT / "app" / "members" / "staff.py").exists()
