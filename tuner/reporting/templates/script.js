"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const columns = data.columns;
  const tip = document.querySelector(".tip");
  const table = document.querySelector("#trials table");
  const search = document.querySelector("#trials input[type=search]");
  const PAGE = 50;
  const SVG = "http://www.w3.org/2000/svg";
  const by_name = Object.fromEntries(columns.map((column) => [column.name, column]));
  const numbers = by_name.number.values;
  const place = new Map(numbers.map((number, row) => [number, row]));
  let order = numbers.map((_, row) => row);
  let sorted = { column: by_name.value || by_name.dev_error || by_name.number, up: true };
  let limit = PAGE;
  let marked = null;
  let pinned = false;

  document.body.classList.add("scripted");

  const element = (name, text, css) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (css) made.className = css;
    return made;
  };
  columns.forEach((column) => {
    column.numeric = column.values.every((v) => v === null || typeof v === "number");
    column.key = column.name.toLowerCase().replace(/[\s_]+/g, " ");
  });
  const in_points = (v) => {
    const text = Math.abs(100 * v) >= 0.95 || v === 0 ? (100 * v).toFixed(1) : (100 * v).toFixed(2);
    return text.replace("-", "−");
  };
  const shown = (column, row) => {
    const v = column.values[row];
    if (v === null) return "";
    if (column.unit) return in_points(v) + (column.unit === "%" ? "%" : "");
    return String(v);
  };

  /* the filter: words, and conditions such as alpha < 0.1, keep prob<0.6 or dev_error < 1.5% */
  const HOLDS = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a == b,
  };
  const wanted = (column, word) => {
    if (!column.numeric) return word;
    const number = Number(word.replace(/(%|pp)$/, ""));
    if (word === "" || Number.isNaN(number)) return null;
    return column.unit && (/(%|pp)$/.test(word) || Math.abs(number) > 1) ? number / 100 : number;
  };
  const parse = (text) => {
    const tests = [];
    let words = "";
    let from = 0;
    for (const found of text.matchAll(/(<=|>=|<|>|=)\s*(\S*)/g)) {
      const before = text.slice(from, found.index).replace(/[\s_]+/g, " ").trimEnd();
      const named = columns.filter((c) => before === c.key || before.endsWith(` ${c.key}`));
      const column = named.sort((a, b) => b.key.length - a.key.length)[0];
      if (!column) return { error: `no column “${before.split(" ").pop()}”` };
      const value = wanted(column, found[2]);
      if (value === null) return { error: `“${column.name} ${found[1]} ${found[2]}”: a number is expected` };
      words += ` ${before.slice(0, before.length - column.key.length)}`;
      tests.push((row) => column.values[row] !== null && HOLDS[found[1]](text_or_number(column, row), value));
      from = found.index + found[0].length;
    }
    (words + text.slice(from)).split(/\s+/).filter(Boolean).forEach((word) => {
      tests.push((row) => columns.some((column) => shown(column, row).toLowerCase().includes(word)));
    });
    return { tests };
  };
  const text_or_number = (column, row) => {
    const v = column.values[row];
    return column.numeric ? v : String(v).toLowerCase();
  };

  /* the table: sorted by a click on a heading, its columns chosen, its rows filtered */
  const compare = (a, b) => {
    const [x, y] = [sorted.column.values[a], sorted.column.values[b]];
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1;
    const way = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return (sorted.up ? way : -way) || a - b;
  };
  const row_of = (row) => {
    const tr = element("tr");
    tr.dataset.row = row;
    tr.tabIndex = 0;
    if (row === marked) tr.className = "marked";
    columns.filter((column) => column.shown).forEach((column) => {
      tr.append(element("td", shown(column, row), column.numeric ? "number" : ""));
    });
    return tr;
  };
  const heads = () => {
    const tr = element("tr");
    columns.filter((column) => column.shown).forEach((column) => {
      const th = element("th", undefined, column.numeric ? "number" : "");
      th.scope = "col";
      const button = element("button", column.name);
      button.type = "button";
      button.addEventListener("click", () => {
        sorted = { column, up: sorted.column === column ? !sorted.up : true };
        draw();
        const again = [...table.tHead.querySelectorAll("button")].find((one) => one.textContent === column.name);
        again.focus({ preventScroll: true });
      });
      th.ariaSort = column === sorted.column ? (sorted.up ? "ascending" : "descending") : "none";
      th.append(button);
      tr.append(th);
    });
    table.tHead.replaceChildren(tr);
  };
  const draw = () => {
    const status = document.getElementById("shown");
    const { tests, error } = parse(search.value.toLowerCase());
    search.setAttribute("aria-invalid", error ? "true" : "false");
    status.className = error ? "error" : "";
    if (error) {
      status.textContent = `Cannot read the filter: ${error}.`;
      return;
    }
    heads();
    order = numbers.map((_, row) => row).filter((row) => tests.every((holds) => holds(row))).sort(compare);
    table.tBodies[0].replaceChildren(...order.slice(0, limit).map(row_of));
    const count = (n) => n.toLocaleString("en-US");
    status.textContent = `${count(Math.min(limit, order.length))} of ${count(order.length)} trials`;
    document.getElementById("more").hidden = order.length <= limit;
  };
  search.addEventListener("input", () => { limit = PAGE; draw(); });
  document.getElementById("more").addEventListener("click", () => { limit += 10 * PAGE; draw(); });
  columns.forEach((column) => {
    const label = element("label", ` ${column.name}`);
    const box = element("input");
    box.type = "checkbox";
    box.checked = column.shown;
    box.addEventListener("change", () => { column.shown = box.checked; draw(); });
    label.prepend(box);
    document.querySelector("#trials .choose div").append(label);
  });

  /* a trial is marked in the table and in every figure that shows it; nothing jumps */
  const ring = (svg, x, y) => {
    const made = document.createElementNS(SVG, "circle");
    Object.entries({ cx: x, cy: y, r: 9, class: "marked" }).forEach(([key, v]) => made.setAttribute(key, v));
    svg.append(made);
  };
  const mark = (row) => {
    marked = row;
    document.querySelectorAll("circle.marked").forEach((old) => old.remove());
    document.querySelectorAll("[data-trial]").forEach((line) => {
      line.classList.toggle("marked", Number(line.dataset.trial) === numbers[row]);
    });
    Object.entries(data.dots).forEach(([id, dots]) => {
      const k = dots[0].indexOf(numbers[row]);
      if (k >= 0) ring(document.getElementById(id), dots[1][k], dots[2][k]);
    });
    table.querySelectorAll("tr[data-row]").forEach((tr) => {
      tr.classList.toggle("marked", Number(tr.dataset.row) === row);
    });
  };
  const show_row = (row) => {
    if (!order.includes(row)) search.value = "";
    draw();
    limit = Math.max(limit, order.indexOf(row) + PAGE);
    draw();
    const tr = table.querySelector(`tr[data-row="${row}"]`);
    tr.scrollIntoView({ block: "center" });
    tr.focus({ preventScroll: true });
  };
  const choose = (event) => {
    const tr = event.target.closest("tr[data-row]");
    if (tr && (event.type === "click" || event.key === "Enter")) mark(Number(tr.dataset.row));
  };
  table.tBodies[0].addEventListener("click", choose);
  table.tBodies[0].addEventListener("keydown", choose);

  /* hovering over a figure names the nearest trial; a click or Enter marks it and keeps its name */
  const nearest = (dots, svg, event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const [x, y] = [svg.viewBox.baseVal.x + (event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [best, least] = [-1, (14 * Math.max(scale, 1)) ** 2];
    for (let k = 0; k < dots[0].length; k++) {
      const d = (dots[1][k] - x) ** 2 + (dots[2][k] - y) ** 2;
      if (d < least) [best, least] = [k, d];
    }
    return best < 0 ? null : place.get(dots[0][best]);
  };
  const hide = () => { pinned = false; tip.classList.remove("pinned"); tip.hidden = true; };
  const tell = (row, at) => {
    const list = element("dl");
    columns.forEach((column) => {
      if (["number", "state", "stop_reason", "value"].includes(column.name) || column.values[row] === null) return;
      list.append(element("dt", column.name), element("dd", shown(column, row)));
    });
    tip.replaceChildren(element("strong", `trial ${numbers[row]}, ${by_name.state.values[row]}`), list);
    tip.hidden = false;
    const [w, h] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.max(4, Math.min(at.clientX + 14, innerWidth - w - 4))}px`;
    tip.style.top = `${Math.max(4, at.clientY + 14 + h > innerHeight ? at.clientY - h - 10 : at.clientY + 14)}px`;
  };
  const pin = (row, at) => {
    mark(row);
    tell(row, at);
    const button = element("button", "Show in the table");
    button.type = "button";
    button.addEventListener("click", () => { hide(); show_row(row); });
    tip.append(button);
    tip.classList.add("pinned");
    pinned = true;
  };
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("click", (event) => {
    if (pinned && !event.target.closest(".tip, svg")) hide();
  });
  /* arrow keys go through the trials of a drawing, Enter shows one in the table; the tip stays as long as the drawing or its button has the focus */
  const by_keys = (svg, rows, at) => {
    let current = -1;
    svg.tabIndex = 0;
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter" && pinned && current >= 0) { hide(); show_row(rows[current]); }
      if (!step) return;
      event.preventDefault();
      current = current < 0 && step < 0 ? rows.length - 1 : (current + step + rows.length) % rows.length;
      pin(rows[current], at(current));
    });
    svg.addEventListener("blur", () => { if (!tip.matches(":hover")) setTimeout(() => { if (!tip.contains(document.activeElement)) hide(); }); });
  };
  Object.entries(data.dots).forEach(([id, dots]) => {
    const svg = document.getElementById(id);
    const across = dots[0].map((_, k) => k).sort((a, b) => dots[1][a] - dots[1][b] || dots[2][a] - dots[2][b]);
    const at = (k) => {
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      return { clientX: box.left + (dots[1][k] - svg.viewBox.baseVal.x) * scale, clientY: box.top + dots[2][k] * scale };
    };
    svg.addEventListener("pointermove", (event) => {
      if (pinned) return;
      const row = nearest(dots, svg, event);
      svg.style.cursor = row === null ? "" : "pointer";
      if (row === null) tip.hidden = true; else tell(row, event);
    });
    svg.addEventListener("pointerleave", () => { if (!pinned) tip.hidden = true; });
    svg.addEventListener("click", (event) => {
      const row = nearest(dots, svg, event);
      if (row === null) hide(); else pin(row, event);
    });
    by_keys(svg, across.map((k) => place.get(dots[0][k])), (k) => at(across[k]));
  });
  document.querySelectorAll("[data-trial]").forEach((line) => {
    const row = place.get(Number(line.dataset.trial));
    if (row === undefined) return; /* the table of a very large study has the best trials alone */
    line.style.cursor = "pointer";
    line.addEventListener("pointermove", (event) => { if (!pinned) tell(row, event); });
    line.addEventListener("pointerleave", () => { if (!pinned) tip.hidden = true; });
    line.addEventListener("click", (event) => { event.stopPropagation(); pin(row, event); });
  });
  new Set([...document.querySelectorAll("[data-trial]")].map((line) => line.ownerSVGElement)).forEach((svg) => {
    const lines = [...svg.querySelectorAll("[data-trial]")].reverse();
    const end = (k) => { const box = lines[k].getBoundingClientRect(); return { clientX: box.right, clientY: box.top }; };
    by_keys(svg, lines.map((line) => place.get(Number(line.dataset.trial))), end);
  });

  /* linear or logarithmic */
  document.querySelectorAll(".switch button").forEach((button) => {
    button.addEventListener("click", () => {
      const figure = button.closest("figure");
      figure.querySelectorAll(".switch button").forEach((one) => {
        one.setAttribute("aria-pressed", one === button ? "true" : "false");
      });
      figure.querySelectorAll("[data-scale]").forEach((one) => { one.hidden = one.dataset.scale !== button.textContent; });
    });
  });

  /* a figure as a file: its drawings, title and legend with their colors written out */
  const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity",
    "font-family", "font-size", "font-weight", "text-anchor", "paint-order"];
  const made_of = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, v]) => made.setAttribute(key, v));
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const drawing_of = (figure) => {
    const frame = figure.getBoundingClientRect();
    const title = figure.querySelector("h3");
    const skipped = figure.querySelector("figcaption").getBoundingClientRect().bottom - title.getBoundingClientRect().bottom;
    const ink = getComputedStyle(title);
    const text = (x, y, size, weight, words) => made_of("text", {
      x, y, fill: ink.color, "font-family": ink.fontFamily, "font-size": size, "font-weight": weight }, words);
    const out = made_of("svg", { xmlns: SVG });
    const margin = 12;
    const parts = [text(margin, margin + 16, 16, 600, title.textContent)];
    figure.querySelectorAll(".legend li").forEach((li) => {
      const [mark, box] = [li.querySelector("i"), li.getBoundingClientRect()];
      const spot = mark.getBoundingClientRect();
      const look = getComputedStyle(mark);
      const hollow = parseFloat(look.borderTopWidth) > 0;
      parts.push(made_of("circle", {
        cx: spot.left + spot.width / 2 - frame.left + margin, cy: spot.top + spot.height / 2 - frame.top - skipped + margin,
        r: 5, fill: hollow ? "none" : look.backgroundColor, stroke: hollow ? look.borderTopColor : "none", "stroke-width": 2,
      }));
      parts.push(text(spot.right - frame.left + margin + 6, box.bottom - frame.top - skipped + margin - 5, 13, 400,
        li.textContent));
    });
    let bottom = 0;
    figure.querySelectorAll("svg").forEach((svg) => {
      const box = svg.getBoundingClientRect();
      if (!box.width) return;
      const copy = svg.cloneNode(true);
      const originals = [svg, ...svg.querySelectorAll("*")];
      [copy, ...copy.querySelectorAll("*")].forEach((one, k) => {
        const look = getComputedStyle(originals[k]);
        LOOKS.forEach((name) => one.setAttribute(name, look.getPropertyValue(name)));
        one.removeAttribute("class");
      });
      const y = box.top - frame.top - skipped + margin;
      Object.entries({ x: box.left - frame.left + margin, y, width: box.width, height: box.height })
        .forEach(([key, v]) => copy.setAttribute(key, v));
      bottom = Math.max(bottom, y + box.height);
      parts.push(copy);
    });
    const [width, height] = [Math.ceil(frame.width + 2 * margin), Math.ceil(bottom + margin)];
    Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }).forEach(([key, v]) => out.setAttribute(key, v));
    out.append(made_of("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor }), ...parts);
    return { text: new XMLSerializer().serializeToString(out), width, height };
  };
  const download = (url, name) => {
    const link = element("a");
    link.href = url;
    link.download = name;
    link.click();
  };
  const save = (figure, kind) => {
    const { text, width, height } = drawing_of(figure);
    const url = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    const name = `${figure.dataset.figure}.${kind}`;
    if (kind === "svg") { download(url, name); return; }
    const image = new Image();
    image.onload = () => {
      const canvas = element("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * height];
      canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
      download(canvas.toDataURL("image/png"), name);
    };
    image.src = url;
  };
  document.querySelectorAll("figure[data-figure]").forEach((figure) => {
    const group = element("div", undefined, "save");
    ["svg", "png"].forEach((kind) => {
      const button = element("button", kind.toUpperCase());
      button.type = "button";
      button.setAttribute("aria-label", `Save “${figure.querySelector("h3").textContent}” as ${kind.toUpperCase()}`);
      button.addEventListener("click", () => save(figure, kind));
      group.append(button);
    });
    figure.append(group);
  });

  /* the contents name the section in view */
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watcher = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting && links.has(entry.target.id)).forEach((entry) => {
      links.forEach((one) => one.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    });
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll(".sections > [id]").forEach((section) => watcher.observe(section));

  /* what scrolls sideways can be scrolled with the keyboard */
  const focusable = () => {
    document.querySelectorAll(".scroll").forEach((box) => {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else if (!box.classList.contains("cue")) box.removeAttribute("tabindex");
    });
  };
  addEventListener("resize", focusable);
  focusable();

  document.querySelectorAll("button.copy").forEach((button) => {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    });
  });
  draw();
})();
