"""Texts and the token ids that Hugging Face's tokenizers give for them, one JSON object per line.

The reference tokenizer is assembled from the vocabulary and merges of the GGUF file by the published
recipe of SmolLM2 (single digits, then GPT-2's byte-level splitting), so that it shares no code with Strop.
"""

import json
import random
import struct
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTROL, USER_DEFINED = 3, 4  # token types of GGUF
SEED = 20240611
GENERATED = 10_000  # whose bytes all have a token; others come on top
LACKING = 10_000  # with at least one byte that has none


class Gguf:
    """The metadata of a GGUF file, as a dictionary."""

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    STRING, ARRAY = 8, 9

    def __init__(self, path):
        self.file = open(path, "rb")
        assert self.file.read(4) == b"GGUF", "not a GGUF file"
        _version, _tensors, count = self.scalar("I"), self.scalar("Q"), self.scalar("Q")
        self.metadata = {self.string(): self.value(self.scalar("I")) for _ in range(count)}

    def scalar(self, code):
        return struct.unpack("<" + code, self.file.read(struct.calcsize("<" + code)))[0]

    def string(self):
        return self.file.read(self.scalar("Q")).decode()

    def value(self, kind):
        if kind == self.STRING:
            return self.string()
        if kind == self.ARRAY:
            item, count = self.scalar("I"), self.scalar("Q")
            return [self.value(item) for _ in range(count)]
        return self.scalar(self.SCALARS[kind])


def reference_tokenizer(metadata):
    assert metadata["tokenizer.ggml.pre"] == "smollm", "this recipe is SmolLM2's"
    tokens = metadata["tokenizer.ggml.tokens"]
    types = metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [t for t, kind in zip(tokens, types) if kind in (CONTROL, USER_DEFINED)]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    return tokenizer


def missing_bytes(metadata):
    """Bytes that no token stands for: SmolLM2's vocabulary lacks 21, such as 0x14 and 0xF1."""
    byte_of = {}
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    for shift, byte in enumerate(b for b in range(256) if b not in printable):
        byte_of[chr(256 + shift)] = byte
    byte_of |= {chr(byte): byte for byte in printable}
    known = set(metadata["tokenizer.ggml.tokens"])
    return {byte for character, byte in byte_of.items() if character not in known}


def hostile_texts():
    yield from ["", " ", "\n", "\r\n", "\t", "\0", "a\0b", "\0\0\0", "\ufeff", "\ufeffBOM first", "mid\ufeffdle"]
    yield from ["e\u0301", "\u0301alone", "Z" + "\u0363" * 200, "\u1100\u1161\u11a8", "नमस्ते", "ก็กิ๊", "த்ரௌ"]
    yield from ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽👍🏿", "🇩🇪🇫🇷🇯", "❤️‍🔥 x ❤", "\u200d\u200d", "1️⃣2️⃣"]
    yield from ["שלום עולם", "مرحبا بالعالم ١٢٣", "\u202eabc\u202c def", "\u2066x\u2069", "‏a‎b"]
    yield from ["don't DON'T don’t I'll I'LL we've 'tis ''s 's's", "'", "''", "' s", "x' 's", "it'S", "ſ's'ſ"]
    yield from ["١٢٣ ४५६ ๑๒๓ 〇一二 ⅷⅨ ½¾ ²³ ①② 𝟘𝟙𝟚 Ⅻ 𒐀 ൰ ៰ ༳ ㉈"]
    yield from ["0123456789" * 30, "3.14159e-10", "v1.2.3-rc4+56", "1,000,000.00", "0x7fFF 0b1010", "٠٫٥"]
    yield from ["日本語とEnglishとрусскийの混在", "汉字漢字한글漢字", "ßẞſŒœǄǅǆ", "İıŞş", "ΑΣ ας σς", "ﬀﬁﬂﬃ", "ＡＢＣ１２３"]
    yield from ["\u00a0nbsp\u00a0\u00a0x", "\u3000全角", "\u2028line\u2029para", "\u0085nel", "\u180e", "a\u2003\u2003b", "\x1c\x1d\x1e\x1f"]
    yield from ["  two", "   three", "a  b   c    d", "trail   ", "\n\n\n x", " \n \n", "\t\tindent", "\r\r\n\n", "x \t\n y"]
    yield from ["\ue000\uf8ff", "\U000f0000\U0010fffd", "\uffff\ufffe", "\U0010ffff", "\ufdd0", "\u0378\u0379", "\U000e0001\U000e0041"]
    yield from ["\x01\x02\x03", "\x7f\x80\x9f", "\x1b[31mred\x1b[0m", "bell\a\b\f\v"]
    yield from ["<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|", "<|im_start|><|im_start|>", " <repo_name> x", "<file_sep><filename>a.c<gh_stars>7"]
    yield from ["a" * 5000, " " * 5000, "\n" * 5000, "ab" * 4000, "!" * 5000, "é" * 3000, "漢" * 3000, "👍" * 2000, "9" * 3000, " a" * 3000, "\u0301" * 3000, "\0" * 3000]
    yield from ["def f(x):\n    return x**2  # ²\n", "if(a&&b||!c){d[0]->e=~f;}", "SELECT * FROM t WHERE a<>'b';", "https://example.org/a?b=c&d=%20#e", "_snake_case__ CamelCase kebab-case", "a.b.c::d<e,f>&&g"]


def characters(*ranges):
    return [chr(c) for first, last in ranges for c in range(first, last + 1)]


def digits_of_all_scripts():
    kinds = ("Nd", "Nl", "No")
    return [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in kinds]


def spaces_of_all_kinds():
    return [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Zs", "Zl", "Zp")] + list("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")


ALPHABETS = [
    characters((0x20, 0x7E)),
    list("etaoin shrdlu"),
    characters((0x00, 0x1F), (0x7F, 0x9F)),
    characters((0xA1, 0x24F)),
    characters((0x300, 0x36F)),
    characters((0x370, 0x52F)),
    characters((0x590, 0x5FF), (0x600, 0x6FF)),
    characters((0x900, 0x97F), (0xE00, 0xE7F)),
    characters((0x1100, 0x11FF), (0xAC00, 0xACFF)),
    characters((0x3040, 0x30FF), (0x4E00, 0x4FFF)),
    characters((0x1F300, 0x1F64F), (0x1F1E6, 0x1F1FF)) + ["\u200d", "\ufe0f"],
    characters((0xE000, 0xE0FF), (0x378, 0x379), (0xFFF0, 0xFFFF), (0x10FFF0, 0x10FFFF)),
    digits_of_all_scripts(),
    spaces_of_all_kinds(),
    ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "’s", " '", "' "],
    [" ", "  ", "\n", " \n", "\n ", "\t", "\r\n"],
    ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|", "|>", "<repo_name>"],
]


def any_character(generator):
    while True:
        code = generator.randrange(0x110000)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)


def generated_texts(missing):
    generator = random.Random(SEED)
    representable = 0
    while representable < GENERATED:
        parts = []
        for _ in range(generator.randrange(1, 7)):
            if generator.random() < 0.1:
                parts += [any_character(generator) for _ in range(generator.randrange(1, 6))]
            else:
                alphabet = generator.choice(ALPHABETS)
                parts += generator.choices(alphabet, k=generator.randrange(1, 12))
        text = "".join(parts)
        representable += missing.isdisjoint(text.encode())
        yield text


def lacking_texts(missing):
    """Bytes without a token between bytes that would merge: within words, at their edges, beside special tokens."""
    generator = random.Random(SEED + 1)
    lost = [c for c in characters((0x00, 0x1F), (0x40000, 0x40010), (0x8FF00, 0x8FF10), (0xBFFF0, 0xBFFFF)) if not missing.isdisjoint(c.encode())]
    assert lost, "the vocabulary has every byte"
    neighbours = [list("etaoin shrdlu"), characters((0x20, 0x7E)), characters((0xA1, 0x24F)), characters((0x900, 0x97F)), characters((0x4E00, 0x4E7F)), ALPHABETS[-1], ALPHABETS[-2]]
    for _ in range(LACKING):
        parts = [generator.choice(lost)]
        for _ in range(generator.randrange(1, 6)):
            parts += generator.choices(generator.choice(neighbours), k=generator.randrange(1, 8))
            parts += generator.choices(lost, k=generator.randrange(0, 3))
        position = generator.randrange(len(parts))
        yield "".join(parts[position:] + parts[:position])
    yield from ["\x14" * 5000, "a\x14" * 5000, "\U00040000" * 3000, " " * 3000 + "\x1d" + " " * 3000]


def texts(folder, missing):
    for path in sorted(Path(folder).glob("*.txt")):
        # newline="": the bytes of the file, with no line ending changed
        with open(path, encoding="utf-8", newline="") as file:
            yield path.name, file.read()
    for text in hostile_texts():
        yield "hostile", text
    for text in generated_texts(missing):
        yield "generated", text
    for text in lacking_texts(missing):
        yield "lacking", text


def main(gguf, folder, out, tokenizer_json=None):
    if not Path(gguf).is_file():
        print(f"skipped: the demo model is missing: {gguf} (tools/setup fetches it)")
        sys.exit(77)
    metadata = Gguf(gguf).metadata
    tokenizer = reference_tokenizer(metadata)
    missing = missing_bytes(metadata)
    folder_tokenizer = Tokenizer.from_file(tokenizer_json) if tokenizer_json and Path(tokenizer_json).is_file() else None
    part = Path(out + ".part")
    with open(part, "w", encoding="ascii") as file:
        for source, text in texts(folder, missing):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if folder_tokenizer and folder_tokenizer.encode(text, add_special_tokens=False).ids != ids:
                sys.exit(f"failed: tokenizer.json of the model folder gives other ids for {text[:80]!r} ({source})")
            record = {
                "source": source,
                "text": text,
                "ids": ids,
                "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                "representable": missing.isdisjoint(text.encode()),
            }
            file.write(json.dumps(record) + "\n")
    part.rename(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
