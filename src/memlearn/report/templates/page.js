(() => {
  "use strict";
  const root = document.documentElement;
  const specs = new Map();
  document.querySelectorAll("script[data-plot]").forEach((script) => {
    specs.set(document.getElementById(script.dataset.plot), JSON.parse(script.textContent));
  });

  // "@ink" in a colour setting stands for the style sheet's --ink, so that figures follow the page's theme.
  const resolve = (value, css, key = "") => {
    if (Array.isArray(value)) return value.map((item) => resolve(item, css, key));
    if (value && typeof value === "object") {
      if (value.bdata || ArrayBuffer.isView(value)) return value;
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolve(item, css, name)]));
    }
    const named = typeof value === "string" && value.startsWith("@") && /color$/.test(key);
    return named ? css.getPropertyValue("--" + value.slice(1)).trim() : value;
  };

  const look = (layout) => {
    const axis = {
      gridcolor: "@grid", linecolor: "@line", zerolinecolor: "@line", automargin: true, ticks: "",
      title: { standoff: 8 },
    };
    const merged = (own) => ({ ...axis, ...own, title: { ...axis.title, ...(own && own.title) } });
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "@ink" },
      paper_bgcolor: "@paper", plot_bgcolor: "@paper",
      margin: { l: 56, r: 12, t: 28, b: 44 },
      legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom" },
      modebar: { bgcolor: "@paper", color: "@soft", activecolor: "@ink" },
      hoverlabel: { bgcolor: "@raised", bordercolor: "@line", font: { color: "@ink" } },
      ...layout, xaxis: merged(layout.xaxis), yaxis: merged(layout.yaxis),
    };
  };

  const settings = {
    responsive: true, displaylogo: false, displayModeBar: true,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    toImageButtonOptions: { format: "svg" },
  };
  const draw = (plot) => {
    const { data, layout } = specs.get(plot);
    const css = getComputedStyle(root);
    // Plotly measures a figure once; on paper it has another size.
    const paper = root.classList.contains("printing");
    const size = paper ? { width: plot.clientWidth, height: plot.clientHeight } : { autosize: true };
    return Plotly.react(plot, resolve(data, css), resolve({ ...look(layout), ...size }, css), settings);
  };
  const drawn = (plot) => plot.classList.contains("js-plotly-plot");

  // A slider moves a map and a histogram through the moments that the run has kept.
  const unpacked = (text, rows, low, high) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const columns = bytes.length / rows;
    return Array.from({ length: rows }, (_, i) => Float32Array.from(
      bytes.subarray(i * columns, (i + 1) * columns),
      (level) => (level === 255 ? NaN : low + (level / 254) * (high - low)),
    ));
  };
  document.querySelectorAll("script[data-through]").forEach((script) => {
    const frames = JSON.parse(script.textContent);
    const group = document.getElementById(script.dataset.through);
    const [map, histogram] = group.querySelectorAll(".plot");
    const [slider, output, button] = ["input", "output", "button"].map((tag) => group.querySelector(tag));
    const show = () => {
      const k = Number(slider.value);
      output.textContent = frames.labels[k];
      slider.setAttribute("aria-valuetext", frames.labels[k]);
      specs.get(map).data[0].z = unpacked(frames.maps[k], frames.rows, frames.low, frames.high);
      specs.get(histogram).data[1].y = frames.counts[k];
      [map, histogram].forEach((plot) => drawn(plot) && draw(plot));
    };
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    const step = () => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    };
    button.addEventListener("click", () => {
      if (timer !== null) { stop(); return; }
      if (slider.value === slider.max) { slider.value = 0; show(); }
      button.textContent = "Stop";
      timer = setInterval(step, 500);
    });
    slider.addEventListener("input", () => { stop(); show(); });
    show();
  });

  // A figure is drawn when it comes near the screen: a page with a hundred of them opens as fast as one with two.
  const near = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting && !drawn(entry.target)).forEach((entry) => draw(entry.target));
  }, { rootMargin: "600px" });
  specs.forEach((_, plot) => near.observe(plot));
  const redraw = () => specs.forEach((_, plot) => drawn(plot) && draw(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // On paper everything is light, open and drawn.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.run:not([open])")];
    closed.forEach((details) => { details.open = true; });
    root.classList.add("printing");
    specs.forEach((_, plot) => draw(plot));
  });
  addEventListener("afterprint", () => {
    closed.forEach((details) => { details.open = false; });
    root.classList.remove("printing");
    redraw();
  });

  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", follow);
  follow();
})();
