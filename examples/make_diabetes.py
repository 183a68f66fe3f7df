"""Write the diabetes table that scikit-learn carries: python examples/make_diabetes.py > studies/data/diabetes.csv.

442 patients: age, sex, body mass index, blood pressure and six blood serum measurements, and how far the disease had
progressed a year later.  (Efron, Hastie, Johnstone and Tibshirani, "Least angle regression", Annals of Statistics 2004)
"""

from __future__ import annotations

import sys

import pandas as pd
from sklearn.datasets import load_diabetes

NAMES = {
    "bp": "pressure",
    "s1": "cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_by_hdl",
    "s5": "log_triglycerides",
    "s6": "sugar",
    "target": "progression",
}


def patients() -> pd.DataFrame:
    """One row per patient, with the numbers as they were measured; sex is 1 or 2, as in the source."""
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns=NAMES)
    whole = [name for name in frame if (frame[name] % 1 == 0).all()]
    return frame.astype(dict.fromkeys(whole, int))


if __name__ == "__main__":
    patients().to_csv(sys.stdout, index=False, float_format="%.6g")
