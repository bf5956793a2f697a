// Ours: times in the reader's zone, plots, the recording at the second of a turn. Every page works without it.
"use strict";
(() => {
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  function times(root) {
    for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(element.dateTime);
      if (!Number.isNaN(at.getTime())) {
        element.title = element.textContent;
        element.textContent = zone.format(at);
      }
    }
  }

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function plots(root) {
    for (const element of root.querySelectorAll(".plot[data-data]:not([data-drawn])")) {
      element.dataset.drawn = "yes";
      const data = JSON.parse(element.dataset.data);
      const labels = JSON.parse(element.dataset.labels);
      const [soft, line, accent, warn] = ["--soft", "--line", "--link", "--warn"].map(color);
      const one = element.dataset.unit === "calls" || element.dataset.unit === "jobs";
      const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
      const series = labels.map((label, index) => ({
        label,
        stroke: index ? warn : accent,
        width: 1.5,
        fill: one ? accent + "33" : undefined,
        paths: one ? uPlot.paths.bars({ size: [0.7, 40] }) : undefined,
        points: { show: false },
      }));
      const drawn = new uPlot({
        width: element.clientWidth,
        height: element.clientHeight,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 22, 0, 0],
        scales: { x: { range: (_, low, high) => [low - 1800, high + 1800] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        axes: [
          { ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" })) },
          { ...axis, size: 52, incrs: one ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] : undefined },
        ],
        series: [{}, ...series],
      }, data, element);
      new ResizeObserver(() => {
        if (element.isConnected) drawn.setSize({ width: element.clientWidth, height: element.clientHeight });
      }).observe(element);
    }
  }

  function dress(root) {
    times(root);
    plots(root);
  }

  function listen(event) {
    const link = event.target.closest("[data-seek]");
    const player = document.getElementById("recording");
    if (!link || !player) return;
    event.preventDefault();
    const second = Number(link.dataset.seek);
    const begin = () => { player.currentTime = second; player.play().catch(() => {}); };
    if (player.readyState > 0) begin();
    else {
      player.addEventListener("loadedmetadata", begin, { once: true });
      player.load();
    }
  }

  dress(document);
  document.addEventListener("click", listen);
  new MutationObserver((records) => {
    if (records.some((record) => record.addedNodes.length)) dress(document);
  }).observe(document.body, { childList: true, subtree: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const element of document.querySelectorAll(".plot[data-drawn]")) {
      element.replaceChildren();
      delete element.dataset.drawn;
    }
    plots(document);
  });
})();
