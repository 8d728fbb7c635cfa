"""Copy what the desk's page is made with out of its npm packages, with their licences.

    python deploy/vendor.py    into services/gateway/web/page/vendor, by the lock beside it

Flows in: services/gateway/web/vendored/package-lock.json, the npm registry. Flows out: files as their makers made them,
and `vendor.json`, which says of each whence it is and what it hashes to. Never changes a byte of them, and needs npm:
who runs the desk does not.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).parents[1] / "services" / "gateway" / "web"
LOCK, PAGE = WEB / "vendored", WEB / "page" / "vendor"
FILES = {
    "ag-grid-community": ("dist/ag-grid-community.min.noStyle.js", "LICENSE.txt"),
    "lightweight-charts": ("dist/lightweight-charts.standalone.production.mjs", "LICENSE"),
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
}


def main() -> None:
    """Copy everything anew."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        for each in LOCK.iterdir():
            shutil.copyfile(each, there / each.name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=there, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - npm, by words of ours
        shutil.rmtree(PAGE, ignore_errors=True)
        PAGE.mkdir(parents=True)
        told = {}
        for package, names in FILES.items():
            source = there / "node_modules" / package
            about = json.loads((source / "package.json").read_text(encoding="utf-8"))
            for name in names:
                kept = f"{package}.LICENSE.txt" if "LICENSE" in name else Path(name).name
                shutil.copyfile(source / name, PAGE / kept)
                sha256 = hashlib.sha256((PAGE / kept).read_bytes()).hexdigest()
                told[kept] = {
                    "package": package,
                    "version": about["version"],
                    "license": about["license"],
                    "sha256": sha256,
                }
    (PAGE / "vendor.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for name, each in told.items():
        sys.stdout.write(f"{each['package']} {each['version']} ({each['license']}): {name}\n")


if __name__ == "__main__":
    main()
