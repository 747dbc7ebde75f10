"""Trains a run from plates to report; the same as `jaxcell train`.

    python train.py
    python train.py --config=default --plates=FOLDER

The first is the six-minute demonstration on simulated plates, the second trains on yours.
Started again with the same command it goes on where it was cut off.
"""

from jaxcell.cli import train

if __name__ == "__main__":
    train()
