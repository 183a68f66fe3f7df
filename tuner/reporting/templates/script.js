"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const body = document.body;
  const tip = document.querySelector(".tip");
  const table = document.querySelector("#trials table");
  const PAGE = 50;
  const column = Object.fromEntries(data.columns.map((name, k) => [name, data.values[k]]));
  const numeric = data.values.map((values) => values.every((v) => v === null || typeof v === "number"));
  const place = new Map(column.number.map((number, row) => [number, row]));
  let order = column.number.map((_, row) => row);
  let sorted = { k: data.columns.indexOf("value"), up: true };
  let limit = PAGE;
  let marked = null;

  body.classList.add("scripted");

  const element = (name, text, css) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (css) made.className = css;
    return made;
  };
  const text = (v) => (v === null ? "" : String(v));

  /* the table: sorted by a click on a heading, filtered by words and by conditions such as alpha<0.1 */
  const CONDITION = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/;
  const HOLDS = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a == b,
  };
  const matcher = (term) => {
    const found = CONDITION.exec(term);
    if (found && column[found[1]]) {
      const values = column[found[1]];
      const wanted = isNaN(found[3]) ? found[3] : Number(found[3]);
      return (row) => values[row] !== null && HOLDS[found[2]](values[row], wanted);
    }
    return (row) => data.values.some((values) => text(values[row]).toLowerCase().includes(term));
  };
  const compare = (a, b) => {
    const values = data.values[sorted.k];
    const [x, y] = [values[a], values[b]];
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1;
    const way = typeof x === "number" && typeof y === "number" ? x - y : text(x).localeCompare(text(y));
    return (sorted.up ? way : -way) || a - b;
  };
  const row_of = (row) => {
    const tr = element("tr");
    tr.dataset.row = row;
    tr.tabIndex = 0;
    if (row === marked) tr.className = "marked";
    data.values.forEach((values, k) => tr.append(element("td", text(values[row]), numeric[k] ? "number" : "")));
    return tr;
  };
  const draw = () => {
    const terms = document.querySelector("#trials input").value.toLowerCase().split(/\s+/).filter(Boolean).map(matcher);
    order = column.number.map((_, row) => row).filter((row) => terms.every((holds) => holds(row))).sort(compare);
    table.tBodies[0].replaceChildren(...order.slice(0, limit).map(row_of));
    document.getElementById("shown").textContent = `${Math.min(limit, order.length).toLocaleString("en-US")} of ${order.length.toLocaleString("en-US")} trials`;
    document.getElementById("more").hidden = order.length <= limit;
    [...table.tHead.rows[0].cells].forEach((th, k) => {
      th.ariaSort = k === sorted.k ? (sorted.up ? "ascending" : "descending") : "none";
    });
  };
  table.tHead.addEventListener("click", (event) => {
    const th = event.target.closest("th");
    if (!th) return;
    sorted = { k: th.cellIndex, up: sorted.k === th.cellIndex ? !sorted.up : true };
    draw();
  });
  document.querySelector("#trials input").addEventListener("input", () => { limit = PAGE; draw(); });
  document.getElementById("more").addEventListener("click", () => { limit += 10 * PAGE; draw(); });

  /* a trial is marked in the table and in every figure that shows it */
  const ring = (figure, x, y) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    Object.entries({ cx: x, cy: y, r: 9, class: "marked" }).forEach(([key, v]) => made.setAttribute(key, v));
    figure.querySelector("svg").append(made);
  };
  const mark = (row) => {
    marked = row;
    document.querySelectorAll("circle.marked").forEach((old) => old.remove());
    document.querySelectorAll("[data-trial]").forEach((line) => {
      line.classList.toggle("marked", Number(line.dataset.trial) === column.number[row]);
    });
    document.querySelectorAll("figure[data-figure]").forEach((figure) => {
      const dots = data.dots[figure.dataset.figure];
      const k = dots ? dots[0].indexOf(column.number[row]) : -1;
      if (k >= 0) ring(figure, dots[1][k], dots[2][k]);
    });
    const at = order.indexOf(row);
    if (at < 0) document.querySelector("#trials input").value = "";
    draw();
    const shown = order.indexOf(row);
    if (shown >= limit) { limit = shown + PAGE; draw(); }
    return table.querySelector(`tr[data-row="${row}"]`);
  };
  const choose = (event) => {
    const tr = event.target.closest("tr");
    if (tr && (event.type === "click" || event.key === "Enter")) mark(Number(tr.dataset.row)).focus({ preventScroll: true });
  };
  table.tBodies[0].addEventListener("click", choose);
  table.tBodies[0].addEventListener("keydown", choose);

  /* hovering over a figure names the nearest trial, a click marks it */
  const nearest = (dots, svg, event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [best, least] = [-1, (14 * Math.max(scale, 1)) ** 2];
    for (let k = 0; k < dots[0].length; k++) {
      const d = (dots[1][k] - x) ** 2 + (dots[2][k] - y) ** 2;
      if (d < least) [best, least] = [k, d];
    }
    return best < 0 ? null : place.get(dots[0][best]);
  };
  const tell = (row, event) => {
    const list = element("dl");
    data.columns.forEach((name, k) => {
      if (["number", "state", "stop_reason", "value"].includes(name) || data.values[k][row] === null) return;
      list.append(element("dt", name), element("dd", text(data.values[k][row])));
    });
    tip.replaceChildren(element("strong", `trial ${column.number[row]}, ${column.state[row]}`), list);
    tip.hidden = false;
    const [w, h] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - w - 4))}px`;
    tip.style.top = `${Math.max(4, event.clientY + 14 + h > innerHeight ? event.clientY - h - 10 : event.clientY + 14)}px`;
  };
  document.querySelectorAll("figure[data-figure]").forEach((figure) => {
    const dots = data.dots[figure.dataset.figure];
    if (!dots) return;
    const svg = figure.querySelector("svg");
    svg.addEventListener("pointermove", (event) => {
      const row = nearest(dots, svg, event);
      svg.style.cursor = row === null ? "" : "pointer";
      if (row === null) tip.hidden = true; else tell(row, event);
    });
    svg.addEventListener("pointerleave", () => { tip.hidden = true; });
    svg.addEventListener("click", (event) => {
      const row = nearest(dots, svg, event);
      if (row === null) return;
      tip.hidden = true;
      mark(row).scrollIntoView({ block: "center" });
    });
  });

  document.querySelectorAll("[data-trial]").forEach((line) => {
    const row = place.get(Number(line.dataset.trial));
    line.style.cursor = "pointer";
    line.addEventListener("pointermove", (event) => tell(row, event));
    line.addEventListener("pointerleave", () => { tip.hidden = true; });
    line.addEventListener("click", () => { tip.hidden = true; mark(row).scrollIntoView({ block: "center" }); });
  });

  document.querySelectorAll("button.copy").forEach((button) => {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    });
  });
  draw();
})();
