"""The data files of the package hibari-tts, and the checksum of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

MODEL = "hibari.onnx"

AMERICAN = ("lexicon_us_gold.json.gz", "lexicon_us_silver.json.gz", "oov.json", "oov.onnx")
BRITISH = ("lexicon_gb_gold.json.gz", "lexicon_gb_silver.json.gz", "oov_gb.json", "oov_gb.onnx")
"""Files that only the pronunciation of one accent needs."""

COMMON = ("normalize.json", "tagger.json.gz", "tokenizer_exceptions.json", "vocab.json", "voices.json")

SHA256: Mapping[str, str] = {
    "hibari.onnx": "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
    "lexicon_gb_gold.json.gz": "66e675f23eb007d6707d23fe6603ba5e19f3513aefe42e3c8cd6c078a85f2ce0",
    "lexicon_gb_silver.json.gz": "637f887dd557d193af8c106f5c26624850db3e7bf0ec751ba917aac6d75e948d",
    "lexicon_us_gold.json.gz": "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2",
    "lexicon_us_silver.json.gz": "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3",
    "normalize.json": "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8",
    "oov.json": "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c",
    "oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "oov_gb.json": "e29077fc3548f08f2fab82a87e03309f614658d91d0ba464e653265e9a4d0cad",
    "oov_gb.onnx": "0997e3219543247de5646078d770f8ca77011d8fd0abb29fe48d12c60f53e9e1",
    "tagger.json.gz": "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb",
    "tokenizer_exceptions.json": "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a",
    "vocab.json": "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d",
    "voices.json": "f8b7657ecd0e0e362d3403e99538c0e5bfe20d6a903dfcd04c772b2c73abb204",
}
"""The files of hibari-tts 0.2.1. The checksum of its wheel is
49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3."""


class AssetError(Exception):
    """A file is missing, damaged or of another version. The text names the file and says what to do."""


def read_checked(path: Path, sha256: str) -> bytes:
    """Returns the file's bytes. Raises AssetError if it cannot be read or has another checksum."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path.name} cannot be read ({error.strerror}): install hibari-tts again") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AssetError(f"{path.name} is damaged or of another version: install hibari-tts again")
    return data


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Raises AssetError if one of the named files is missing or has another checksum."""
    for name in names:
        read_checked(folder / name, SHA256[name])
