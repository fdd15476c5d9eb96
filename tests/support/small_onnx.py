"""ONNX files by hand, without the onnx package: as much of its format (onnx.proto) as small models for tests need."""
import struct

FLOAT, INT64 = 1, 7
FLOAT_ATTRIBUTE, INT_ATTRIBUTE, INTS_ATTRIBUTE = 1, 2, 7
OPSET, IR = 17, 8


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def attribute(name, value):
    if isinstance(value, float):
        return block(5, block(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, FLOAT_ATTRIBUTE))
    if isinstance(value, int):
        return block(5, block(1, name) + number(3, value) + number(20, INT_ATTRIBUTE))
    return block(5, block(1, name) + b"".join(number(8, item) for item in value) + number(20, INTS_ATTRIBUTE))


def node(kind, inputs, outputs, **attributes):
    fields = [block(1, name) for name in inputs] + [block(2, name) for name in outputs] + [block(3, outputs[0]), block(4, kind)]
    return b"".join(fields + [attribute(name, value) for name, value in attributes.items()])


def constant(name, shape, values, type=FLOAT):
    """An initializer."""
    raw = struct.pack(f"<{len(values)}{'f' if type == FLOAT else 'q'}", *values)
    return b"".join(number(1, size) for size in shape) + number(2, type) + block(8, name) + block(9, raw)


def value(name, shape, type=FLOAT):
    """An input or an output. A size may be a name: any."""
    sizes = b"".join(block(1, block(2, size) if isinstance(size, str) else number(1, size)) for size in shape)
    return block(1, name) + block(2, block(1, number(1, type) + block(2, sizes)))


def model(nodes, constants, inputs, outputs):
    graph = b"".join([block(1, item) for item in nodes] + [block(2, "graph")] + [block(5, item) for item in constants] +
                     [block(11, item) for item in inputs] + [block(12, item) for item in outputs])
    return number(1, IR) + block(2, "strop-tests") + block(7, graph) + block(8, number(2, OPSET))
