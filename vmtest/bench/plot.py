# SPDX-License-Identifier: MIT
"""A plot of figures: what an I/O costs at each queue depth, a line for each target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmtest.bench.plan import QUEUE_DEPTHS, Row
from vmtest.bench.result import Result
from vmtest.errors import SetupError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is drawn side by side: fio's pattern, its title.
_PANELS = (("randread", "random reads of 4 KiB"), ("randwrite", "random writes of 4 KiB"))
_SIZE = 4096

# Ours stand out; what runs in the kernel alone, and what others serve, keep back.
_OURS = "zosbd2"
_COLOURS = {"null_blk": "0.55", "brd": "0.7", "loop": "#b08050", "nbd": "#806090"}
_UBLK = "#4070c0"
_MARKS = "osD^v<>"


def draw(result: Result, path: Path) -> None:
    """Write the plot as SVG, the same for the same figures. SetupError without matplotlib."""
    try:
        import matplotlib
        from matplotlib import pyplot
    except ImportError as error:
        raise SetupError(
            "there is no matplotlib", hint="make bench-plot, or pip install 'vmtest[bench]'"
        ) from error
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none"})
    figure, panels = pyplot.subplots(1, len(_PANELS), figsize=(10, 4.6), sharey=True)
    for axes, (pattern, title) in zip(panels, _PANELS, strict=True):
        _draw_panel(axes, result, pattern)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("queue depth")
    panels[0].set_ylabel("instructions per I/O")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center right", frameon=False)
    figure.tight_layout(rect=(0, 0, 0.85, 1))
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    head, _, rest = path.read_text().partition("\n")
    path.write_text(f"{head}\n<!-- SPDX-License-Identifier: MIT -->\n{rest}")


def _draw_panel(axes: Axes, result: Result, pattern: str) -> None:
    targets = list(dict.fromkeys(figure.target for figure in result.figures))
    ours = [target for target in targets if target.startswith(_OURS)]
    for target in targets:
        costs = [result.cost(target, Row(pattern, _SIZE, depth)) for depth in QUEUE_DEPTHS]
        known = [(at, cost) for at, cost in enumerate(costs) if cost is not None]
        axes.plot(
            [at for at, _ in known],
            [cost for _, cost in known],
            label=target,
            marker=_mark(target, targets),
            **_style(target, ours),
        )
    axes.set_xticks(range(len(QUEUE_DEPTHS)), [str(depth) for depth in QUEUE_DEPTHS])
    axes.set_yscale("log", base=2)
    ticks = [5_000, 10_000, 20_000, 40_000, 80_000]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _mark(target: str, targets: Sequence[str]) -> str:
    return _MARKS[targets.index(target) % len(_MARKS)]


def _style(target: str, ours: Sequence[str]) -> dict[str, Any]:
    if target in ours:
        shades = ("#b02020", "#e05030", "#f08050", "#f0b080")
        return {"color": shades[ours.index(target) % len(shades)], "linewidth": 2.2}
    if target.startswith("ublk"):
        style = "--" if target.endswith("null") else "-"
        return {"color": _UBLK, "linestyle": style, "linewidth": 1.6}
    return {"color": _COLOURS.get(target, "0.4"), "linewidth": 1.2}
