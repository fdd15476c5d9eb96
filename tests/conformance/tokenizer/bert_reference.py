"""Texts and the ids that Hugging Face's tokenizer of a BERT-type encoder gives for them, one JSON object per line.

Usage: bert_reference.py MODEL_FOLDER TEXT_FOLDER OUT"""

import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer

from reference import SEED, generated_texts, hostile_texts


def every_character():
    """Each character between two letters, in texts of 60, but those of planes where nothing is."""
    codes = [c for c in [*range(0x32400), *range(0xE0000, 0xE0200), *range(0xFFFFE, 0x100010)] if not 0xD800 <= c <= 0xDFFF]
    for begin in range(0, len(codes), 60):
        yield "".join("a" + chr(c) for c in codes[begin:begin + 60]) + "b"


def marked():
    """Letters under heaps of marks, whose order a normaliser changes."""
    generator = random.Random(SEED)
    marks = [chr(c) for c in range(0x1E000) if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")]
    letters = "aeiouAEIOUnNcCåÅİıßẞǄﬁΣσςАЙйёᾳﾊ가각漢ක"
    for _ in range(4000):
        text = ""
        for _ in range(generator.randrange(1, 6)):
            text += generator.choice(letters) + "".join(generator.choices(marks, k=generator.randrange(0, 6)))
        yield text


def special():
    yield from ["[CLS]", "[SEP] x [MASK]", "[cls]", " [PAD]", "[UNK]", "a[SEP]b", "[[SEP]]", "[MASK][MASK]", "[CLS", "[unused1]"]
    yield from ["a" * n for n in (99, 100, 101, 5000)]
    yield from ["é" * 100, "é" * 101, "e\u0301" * 100, "각" * 33, "각" * 34, "x" * 100 + " " + "y" * 101, "\u200b".join("ab" * 60)]


def main(model, folder, out):
    path = Path(model) / "tokenizer.json"
    if not path.is_file():
        print(f"skipped: the encoder is missing: {path} (tools/setup --test fetches it)")
        sys.exit(77)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    part = Path(out + ".part")
    with open(part, "w", encoding="ascii") as file:
        sources = [*((p.name, p.read_bytes().decode()) for p in sorted(Path(folder).glob("*.txt"))),
                   *(("hostile", t) for t in hostile_texts()), *(("generated", t) for t in generated_texts(set())),
                   *(("character", t) for t in every_character()),
                   *(("marks", t) for t in marked()), *(("special", t) for t in special())]
        for source, text in sources:
            encoded = tokenizer.encode(text, add_special_tokens=True)
            file.write(json.dumps({"source": source, "text": text, "ids": encoded.ids}) + "\n")
    part.rename(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
