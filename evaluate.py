"""Evaluates a run on the wells it held out, or on any plates; the same as `jaxcell evaluate`.

python evaluate.py runs/demo [--standardise]
python evaluate.py runs/demo FOLDER [--condition=NAME] [--skip]
"""

from jaxcell.cli import evaluate

if __name__ == "__main__":
    evaluate()
