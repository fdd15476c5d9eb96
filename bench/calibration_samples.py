"""Lines of text as a text recogniser wants them, one stored npz each: calibration_samples.py FOLDER COUNT SEED."""

import io
import pathlib
import random
import sys
import zipfile

import numpy
from PIL import Image, ImageDraw, ImageFont

HEIGHT, WIDTH = 48, 320
WORDS = pathlib.Path(__file__).resolve().parent.parent / "share" / "text" / "evaluation"


def words():
    return " ".join(path.read_text(encoding="utf-8") for path in sorted(WORDS.glob("*-en.txt"))).split()


def line(draw, known):
    """A few words in a random size, place, shade and noise."""
    at = draw.randrange(len(known) - 6)
    size, ink, paper = draw.randint(20, 34), draw.randint(0, 90), draw.randint(160, 255)
    image = Image.new("L", (WIDTH, HEIGHT), paper)
    text = " ".join(known[at:at + draw.randint(1, 5)])
    ImageDraw.Draw(image).text((draw.randint(2, 12), draw.randint(0, HEIGHT - size - 4)), text, fill=ink,
                               font=ImageFont.load_default(size))
    noise = numpy.random.default_rng(draw.randrange(2**32)).normal(0, draw.uniform(0, 12), (HEIGHT, WIDTH))
    grey = numpy.clip(numpy.asarray(image, numpy.float32) + noise, 0, 255)
    return numpy.repeat((grey / 127.5 - 1).astype(numpy.float32)[None, None], 3, axis=1)


def write(path, arrays):
    """As Strop's own samples are: no extra fields, nothing compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            numpy.lib.format.write_array(part, numpy.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())


def main(folder, count, seed):
    folder, draw, known = pathlib.Path(folder), random.Random(int(seed)), words()
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(int(count)):
        write(folder / f"{index:06}.npz", {"x": line(draw, known)})


if __name__ == "__main__":
    main(*sys.argv[1:])
