"""npz files by hand, without numpy: zips of .npy files of version 1.0, on little-endian machines."""
import array
import struct
import zipfile

FORMATS = {"<f4": "f", "<i4": "i", "<i8": "q"}


def npy(descr, shape, values):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + array.array(FORMATS[descr], values).tobytes()


def write(path, **arrays):
    """name=(descr, shape, values), values flat and in C order"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, values in arrays.items():
            file.writestr(f"{name}.npy", npy(*values))
