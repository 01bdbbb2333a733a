"""`python -m tools.noise train | measure`"""

from __future__ import annotations

import argparse
import sys

from tools import noise
from tools.noise.train import measure, train

parser = argparse.ArgumentParser(prog="python -m tools.noise", description=noise.__doc__)
parser.add_argument("what", choices=("train", "measure"))
chosen = parser.parse_args()
sys.stdout.write("\n".join(train() if chosen.what == "train" else measure()) + "\n")
