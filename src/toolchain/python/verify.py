"""Says what is wrong with the environment that runs it: packages that are missing or of another version than the lock, files
that are missing or changed, compared with the digests their installer noted. One problem a line, nothing when all is well.

Usage: ENVIRONMENT/bin/python verify.py requirements.txt..."""
import base64
import hashlib
import importlib.metadata
import re
import sys

MOST = 20  # problems that are shown


def pinned(path):
    """Name and version of every line that holds here."""
    try:
        from packaging.markers import Marker
    except ImportError:
        Marker = None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            found = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$", line.rstrip())
            if found:
                name, version, marker = found.groups()
                if not marker or (Marker and Marker(marker).evaluate()):
                    yield name, version


def digest(path, algorithm):
    hashed = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            hashed.update(part)
    return base64.urlsafe_b64encode(hashed.digest()).rstrip(b"=").decode()


def problems(locks):
    for name, version in (pair for lock in locks for pair in pinned(lock)):
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            yield f"the package {name} is missing"
            continue
        if version not in (package.version, package.version.split("+")[0]):
            yield f"the package {name} must be {version}, but is {package.version}"
        if not package.files:
            yield f"the package {name} has no list of its files"
        for file in package.files or []:
            if file.hash is None:
                continue
            try:
                if digest(file.locate(), file.hash.mode) != file.hash.value:
                    yield f"{file} of {name} was changed"
            except OSError:
                yield f"{file} of {name} is missing"


for count, problem in enumerate(problems(sys.argv[1:])):
    if count == MOST:
        print("and more")
        break
    print(problem)
