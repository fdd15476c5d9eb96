"""NumPy's and Pillow's side of the comparison.

Usage: peers.py make FOLDER     npz files, images and what Pillow makes of them
       peers.py check FOLDER    NumPy reads what the test wrote into FOLDER/ours"""

import sys
from pathlib import Path

import numpy
from PIL import Image


def arrays():
    """x: 40 rows of 2 x 3; the values are 6 * row + place."""
    return {"x": numpy.arange(240, dtype=numpy.float32).reshape(40, 2, 3), "label": numpy.arange(40, dtype=numpy.int64) % 7}


def pictures():
    generator = numpy.random.default_rng(1)
    y, x = numpy.mgrid[0:90, 0:130]
    smooth = numpy.stack([x * 1.9, y * 2.8, (x + y) * 1.1], axis=-1).clip(0, 255).astype(numpy.uint8)
    yield "smooth.png", Image.fromarray(smooth), {}
    yield "noise.png", Image.fromarray(generator.integers(0, 256, (61, 47, 3), dtype=numpy.uint8)), {}
    yield "grey.png", Image.fromarray(generator.integers(0, 256, (33, 65), dtype=numpy.uint8)), {}
    yield "palette.png", Image.fromarray(smooth).quantize(32), {}
    yield "alpha.png", Image.fromarray(generator.integers(0, 256, (20, 30, 4), dtype=numpy.uint8)), {}
    yield "smooth.jpg", Image.fromarray(smooth), {"quality": 90}
    yield "fine.jpg", Image.fromarray(smooth), {"quality": 90, "subsampling": 0}
    yield "progressive.jpg", Image.fromarray(smooth), {"quality": 80, "progressive": True}
    yield "grey.jpg", Image.fromarray(smooth).convert("L"), {}


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    numpy.savez(folder / "stored.npz", **arrays())
    numpy.savez_compressed(folder / "packed.npz", **arrays())
    for name, picture, options in pictures():
        picture.save(folder / name, **options)
        opened = Image.open(folder / name).convert("RGB")
        numpy.save(folder / f"{name}.rgb.npy", numpy.asarray(opened))
        for width, height in ((32, 24), (200, 150)):
            resized = opened.resize((width, height), Image.Resampling.BILINEAR)
            numpy.save(folder / f"{name}.{width}x{height}.npy", numpy.asarray(resized))
    (folder / "names.txt").write_text("\n".join(name for name, _, _ in pictures()) + "\n")


def check(folder):
    expected = arrays()
    rows = set()
    for path in sorted((folder / "ours").rglob("*.npz")):
        with numpy.load(path, allow_pickle=False) as sample:
            assert sample.files == ["x"], sample.files
            x = sample["x"]
        assert x.dtype == numpy.float32 and x.shape == (1, 2, 3), (x.dtype, x.shape)
        row = int(x[0, 0, 0]) // 6
        assert (x[0] == expected["x"][row]).all(), x
        rows.add(row)
    assert rows == set(range(40)), f"{path}: rows {sorted(rows)}"
    print(f"NumPy reads all {len(rows)} samples")


{"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
