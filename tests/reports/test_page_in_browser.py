"""The page in a headless browser: what a person does changes what is seen."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from meddiff_core.phantoms import make_phantom
from meddiff_core.reports.page import write_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Acts as a person would and notes whether the pictures of the planes changed.
DRIVER = """<script>
window.requestAnimationFrame = (draw) => setTimeout(draw, 10); // without a screen there are no frames
(async () => {
  const settle = () => new Promise((done) => setTimeout(done, 150));
  while (!document.querySelector("canvas")) await settle();
  const seen = () => PLANES.map(({ canvas }) =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join());
  const key = (name) => () => window.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
  const slide = (query, value) => () => {
    const slider = document.querySelector(query);
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  };
  const press = (query) => () => document.querySelector(query).click();
  const acts = {
    preset: press("#presets button:nth-child(4)"),
    width: slide("#width", 900),
    split: slide("#split", 90),
    slice: slide("figcaption input", 11),
    wheel: () => document.querySelector("canvas").dispatchEvent(new WheelEvent("wheel", { deltaY: -1 })),
    up: key("ArrowUp"), left: key("ArrowLeft"), switch: key("b"),
    overlay: press(".layer input"), change: press(".layer:last-child input"), hidden: key("o"),
  };
  const changed = { first: new Set(seen()).size === 3 };
  for (const [name, act] of Object.entries(acts)) {
    await settle();
    const before = seen().join();
    act();
    await settle();
    changed[name] = seen().join() !== before;
  }
  const readout = document.getElementById("readout").textContent;
  const notes = document.createElement("pre");
  notes.id = "notes";
  notes.textContent = JSON.stringify({ changed, readout, at: state.at });
  document.body.append(notes);
})();
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_what_a_person_does_is_seen(tmp_path):
    phantom = make_phantom("abdomen", (48, 48, 24), (7.0, 7.0, 12.0), seed=0, lesions=1)
    hu = phantom.hu.astype(np.float32)
    record = {"bundle": "b", "kind": "processed", "input": "i", "scan": {"region": "abdomen"}, "options": {}}
    page = tmp_path / "page.html"
    mask = (hu > 150).astype(np.uint8)
    write_page(page, {"input": hu, "denoised": hu + 20}, {"bone": mask}, phantom.spacing, record)
    page.write_text(page.read_text().replace("</body>", f"{DRIVER}</body>"))
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000"]
    seen = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    notes = re.search(r'<pre id="notes">(.*?)</pre>', seen.stdout)
    assert notes, seen.stderr[-2000:]
    notes = json.loads(notes[1])
    assert all(notes["changed"].values()), notes["changed"]
    assert notes["at"][2] == 13
    at = tuple(first + here for first, here in zip(origin_of(page), notes["at"], strict=True))
    assert f"input {hu[at]:.0f} HU" in notes["readout"]
    assert f"denoised {hu[at] + 20:.0f} HU" in notes["readout"]


def origin_of(page):
    """The first voxel that is shown."""
    return json.loads(re.search(r'"origin": (\[.*?\])', page.read_text())[1])
