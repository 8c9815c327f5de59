# SPDX-License-Identifier: Apache-2.0
"""The plot: messages a second and CPU a message of each server in each mode, as SVG or PNG."""
from load import Cell

MODES = ("one", "kept", "pipelined", "bdat")
PANELS = (("rate", "messages a second"), ("cpu_us", "CPU microseconds a message"))


def draw(results, file):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "lsmtpd", "font.size": 9})  # the same bytes each time
    from matplotlib import pyplot

    servers = [server for server in dict.fromkeys(
        server for mode in MODES for server in results.cells.get(Cell(mode), {}))
        if any(results.median(Cell(mode), server, "rate") for mode in MODES)]
    figure, panels = pyplot.subplots(len(PANELS), 1, figsize=(9, 7.5), layout="constrained")
    width = 0.8 / max(1, len(servers))
    for panel, (key, title) in zip(panels, PANELS):
        for index, server in enumerate(servers):
            values = [results.median(Cell(mode), server, key) for mode in MODES]
            places = [place + (index - (len(servers) - 1) / 2) * width for place in range(len(MODES))]
            bars = panel.bar(places, [value or 0 for value in values], width, label=server,
                             color=pyplot.get_cmap("tab10")(index))
            panel.bar_label(bars, [f"{value:,.0f}" if value else "" for value in values], rotation=90,
                            fontsize=7, padding=2)
        panel.set_yscale("log")
        panel.margins(y=0.15)
        panel.set_title(f"{title} (4 KiB, 30 connections, log scale)")
        panel.set_xticks(range(len(MODES)), ["one a connection", "kept", "pipelined", "BDAT"])
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(ncols=4, fontsize=8, loc="upper left")
    figure.savefig(file, metadata={"Date": None} if str(file).endswith(".svg") else None)
