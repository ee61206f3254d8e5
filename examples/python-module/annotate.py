"""Puts a manifest into a component: `annotate.py COMPONENT MODULE_TOML OUT`. `cargo xtask modules` does it for Rust."""

import sys


def leb128(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


component, manifest, out = sys.argv[1:]
with open(component, "rb") as file:
    code = file.read()
with open(manifest, "rb") as file:
    text = file.read()
name = b"gridwatch:manifest"
body = leb128(len(name)) + name + text
with open(out, "wb") as file:
    file.write(code + b"\0" + leb128(len(body)) + body)
