"use strict";
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);
  const field = document.querySelector(".field"), svg = field.querySelector(".arcs"), about = by("about");
  const slots = $$(".slot"), modules = $$(".module"), folds = $$(".module > details");
  const groups = (element) => (element.dataset.g || "").split(" ").filter(Boolean);
  const shared = $$("[data-g]");
  let pinned = [];

  // An end of an arc: the slot's mark, or the line of the outermost folded module around it; null if filtered out.
  function end(slot) {
    let line = slot;
    for (let e = slot; e !== field; e = e.parentElement) {
      if (e.hidden) return null;
      if (e.tagName === "DETAILS" && !e.open) line = e.firstElementChild;
    }
    return line;
  }

  function draw() {
    const box = field.getBoundingClientRect(), edge = parseFloat(getComputedStyle(field).paddingLeft) - 8;
    const ends = new Map(), arcs = new Map(), bundles = new Map();
    const place = (line) => {
      if (!ends.has(line)) {
        const mark = line.querySelector(":scope > .badge") || line, m = mark.getBoundingClientRect(), l = line.getBoundingClientRect();
        ends.set(line, [m.left - box.left - 2, (mark === line ? l.top + l.height / 2 : m.top + m.height / 2) - box.top]);
      }
      return ends.get(line);
    };
    for (const user of shared) for (const lender of (user.dataset.from || "").split(" ").filter(Boolean)) {
      const to = end(user), from = end(by("s" + lender));
      if (!to || !from || to === from) continue;
      const key = place(from) + ">" + place(to);
      const arc = arcs.get(key) || arcs.set(key, { from: place(from), to: place(to), groups: new Set() }).get(key);
      groups(user).filter((g) => groups(by("s" + lender)).includes(g)).forEach((g) => arc.groups.add(g));
      if (from.tagName === "SUMMARY" || to.tagName === "SUMMARY") {
        const bundle = bundles.get(to) || bundles.set(to, { at: place(to), ties: 0 }).get(to);
        bundle.ties++;
      }
    }
    svg.innerHTML = [...arcs.values()].map((arc) => path(arc, edge)).join("") + [...bundles.values()].map((b) => label(b, edge)).join("");
    svg.classList.toggle("many", arcs.size > 40);
    light();
  }

  function path({ from: [x1, y1], to: [x2, y2], groups }, edge) {
    const first = Number([...groups][0] || 0), one = groups.size === 1, span = Math.abs(y2 - y1);
    const deep = Math.min(edge - 3, edge * (0.28 + Math.log2(1 + span / 26) * 0.1) + (one ? first % 4 : 0) * 4);
    const reach = edge - deep * 4 / 3, r = n => n.toFixed(1);
    const line = `M${r(x1)} ${r(y1)}H${r(edge)}C${r(reach)} ${r(y1)} ${r(reach)} ${r(y2)} ${r(edge)} ${r(y2)}H${r(x2 - 5)}`;
    const tip = `M${r(x2)} ${r(y2)}l-7 -4v8z`;
    return `<g class="${one ? "g" + (first % 8) : ""}" data-g="${[...groups].join(" ")}"><path d="${line}"/><path class="tip" d="${tip}"/></g>`;
  }

  // How many ties end at a folded line, or come from one.
  function label({ at: [, y], ties }, edge) {
    return ties > 1 ? `<text x="${edge}" y="${y - 5}">×${ties}</text>` : "";
  }

  function light(chosen = pinned) {
    const hot = (element) => groups(element).some((g) => chosen.includes(g));
    document.body.classList.toggle("picked", chosen.length > 0);
    for (const element of [...shared, ...svg.children]) element.classList.toggle("on", hot(element));
    for (const fold of folds) fold.firstElementChild.classList.toggle("on", chosen.length > 0 && !fold.open && $$(".slot[data-g]", fold).some(hot));
  }

  const tell = (slot) => { about.hidden = !slot; about.textContent = slot ? slot.title : ""; };

  function look(event) {
    const slot = event.target.closest(".slot"), element = event.target.closest("[data-g]");
    if (slot) tell(slot);
    light(element ? groups(element) : pinned);
  }
  document.addEventListener("mouseover", look);
  document.addEventListener("focusin", look);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#s"]');
    if (link) reveal(by(link.getAttribute("href").slice(1)));
    if (event.target.closest("summary, input, button, label")) return;
    const element = event.target.closest("[data-g]"), chosen = element ? groups(element) : [];
    pinned = !link && chosen.join() === pinned.join() ? [] : chosen;
    light();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { pinned = []; tell(null); light(); }
    if (event.key === "/" && event.target.tagName !== "INPUT") { by("filter").focus(); event.preventDefault(); }
  });

  function reveal(slot) {
    if (slot.hidden) { by("filter").value = ""; by("only").checked = false; filter(); }
    for (let e = slot; e !== field; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    tell(slot);
  }

  let before = null;
  function filter() {
    const words = by("filter").value.toLowerCase().split(/\s+/).filter(Boolean), only = by("only").checked, all = !words.length && !only;
    if (!all && !before) before = folds.map((fold) => fold.open);
    let found = 0;
    for (const slot of slots) {
      const text = (slot.title + " " + slot.textContent).toLowerCase();
      slot.hidden = !(words.every((word) => text.includes(word)) && (!only || slot.dataset.g));
      found += !slot.hidden;
    }
    for (const module of modules) {
      module.hidden = !module.querySelector(".slot:not([hidden])");
      if (!all) module.firstElementChild.open = !module.hidden;
    }
    if (all && before) { folds.forEach((fold, i) => { fold.open = before[i]; }); before = null; }
    by("found").textContent = all ? "" : `${found} of ${slots.length}`;
    draw();
  }
  by("filter").addEventListener("input", filter);
  by("only").addEventListener("change", filter);
  by("open").addEventListener("click", () => folds.forEach((fold) => { fold.open = true; }));
  by("close").addEventListener("click", () => folds.forEach((fold) => { fold.open = false; }));

  let waiting = 0;
  const later = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); };
  document.addEventListener("toggle", later, true);
  window.addEventListener("resize", later);
  window.addEventListener("beforeprint", draw);
  window.matchMedia("print").addEventListener("change", draw);
  document.querySelector(".controls").hidden = false;
  draw();
})();
