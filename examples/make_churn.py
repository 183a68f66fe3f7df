"""Make 4,000 fictional customers of a phone company: python examples/make_churn.py > studies/data/churn.csv.

Someone who knows the formula would be wrong on 5.6% of them, because chance plays a part. Contracts end in cycles, and
some effects depend on another column: a linear model is wrong on more than 25%.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

TODAY = pd.Timestamp("2026-01-01")
CONTRACT_DAYS = {"monthly": np.inf, "half-yearly": 182.6, "yearly": 365.25, "two years": 730.5}
FEES = {"basic": 20, "plus": 35, "family": 55, "business": 80}


def customers(rows: int = 4000, seed: int = 1) -> pd.DataFrame:
    """One row per customer: ten columns with missing cells, and churned, yes or no."""
    rng = np.random.default_rng(seed)
    days = rng.integers(30, 1800, rows)
    age = np.clip(np.round(rng.normal(44, 15, rows)), 18, 90)
    contract = rng.choice(list(CONTRACT_DAYS), rows, p=[0.4, 0.2, 0.25, 0.15])
    plan = rng.choice(list(FEES), rows, p=[0.4, 0.3, 0.2, 0.1])
    payment = rng.choice(["card", "bank", "invoice"], rows, p=[0.5, 0.35, 0.15])
    region = rng.choice(["north", "east", "south", "west", "center"], rows)
    fee = np.array([FEES[name] for name in plan])
    charge = np.round(fee * rng.uniform(0.8, 1.3, rows), 2)
    hours = np.round(fee * rng.gamma(4, 0.25, rows), 1)
    calls = rng.poisson(1.2, rows)
    paperless = rng.random(rows) < 0.6

    renewal = np.cos(2 * np.pi * days / np.array([CONTRACT_DAYS[name] for name in contract]))  # 1 on the day of renewal
    monthly = contract == "monthly"
    score = (
        np.where(monthly, 0.8, 3 * renewal - 0.8)
        - 1.5 * np.log(np.maximum(hours, 1) / charge)
        + 0.5 * (calls - 1.2) * np.where(plan == "business", -1, 1)
        - 0.03 * (age - 44) * np.where(payment == "invoice", -1, 1)
        + np.where(paperless == (region == "north"), 0.6, -0.6)
        - 0.7
    )
    churned = rng.random(rows) < 1 / (1 + np.exp(-5 * score))
    return pd.DataFrame(
        {
            "signup": (TODAY - pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
            "age": pd.Series(age).astype("Int64").mask(rng.random(rows) < 0.04),
            "region": region,
            "plan": plan,
            "contract": contract,
            "payment": payment,
            "paperless": np.where(paperless, "yes", "no"),
            "charge": charge,
            "hours": pd.Series(hours).mask(rng.random(rows) < 0.02),
            "calls": calls,
            "churned": np.where(churned, "yes", "no"),
        }
    )


if __name__ == "__main__":
    sys.stdout.write(customers().to_csv(index=False, lineterminator="\n"))
