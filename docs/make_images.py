r"""Cut the pictures of the documentation from reports; a figure is taken from the first report that has it.

pip install pillow
tuner search digits && tuner learning-curve digits && tuner report digits
sed -e 's/"digits"/"wide"/' -e 's/^alpha .*/alpha = { log_uniform = [0.01, 100.0] }/' \
    studies/digits.toml > studies/wide.toml
tuner search wide --trials 40 && tuner report wide
tuner search churn && tuner report churn
tuner search diabetes && tuner report diabetes
PYTHONPATH=. python docs/make_images.py reports/digits reports/wide reports/churn reports/diabetes
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.reporting.browser import Tab, chromium

IMAGES = Path(__file__).parent / "images"
WIDTH, TOP = 1080, 1535
"""Pixels of the page, and of its upper part that stands for the whole report."""


def main(folders: list[str]) -> None:
    """Write images/report.png and images/figure-KEY.png."""
    taken: set[str] = set()
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as tab:
        for folder in folders:
            tab.open(Path(folder, "report.html"), width=WIDTH, height=TOP)
            if not taken:
                cut(tab, {"x": 0, "y": 0, "width": WIDTH, "height": TOP}, "report")
            for key in tab.run("[...document.querySelectorAll('figure[data-figure]')].map((f) => f.dataset.figure)"):
                if key not in taken:
                    taken.add(key)
                    cut(tab, box(tab, key), f"figure-{key}")


def box(tab: Tab, key: str) -> dict[str, float]:
    """Return where a figure is on the page, without its caption."""
    script = f"""(() => {{
        const figure = document.querySelector("#figure-{key}");
        figure.querySelector("figcaption").hidden = true;
        const found = figure.getBoundingClientRect();
        const bottom = Math.max(...[...figure.children].map((child) => child.getBoundingClientRect().bottom));
        return JSON.stringify({{x: found.x, y: found.y + scrollY, width: found.width, height: bottom - found.y + 4}});
    }})()"""
    found: dict[str, float] = json.loads(tab.run(script))
    return found


def cut(tab: Tab, clip: dict[str, float], name: str) -> None:
    """Save a part of the page as PNG."""
    data = tab.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**clip, "scale": 1})["data"]
    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
