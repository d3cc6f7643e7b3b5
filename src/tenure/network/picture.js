"use strict";
(() => {
  const net = document.querySelector(".net"), svg = net.querySelector("svg"), lines = JSON.parse(net.dataset.lines);
  const cards = new Map([...net.querySelectorAll("[data-place]")].map((e) => [+e.dataset.place, e]));
  const frames = new Map([...net.querySelectorAll("[data-frame]")].map((e) => [+e.dataset.frame, e]));
  const LANE = 9, ns = svg.namespaceURI;

  // What stands for a card: itself, or the line of the outermost fold that it is in and that is closed.
  const seen = (card) => {
    let found = card.classList.contains("gone") ? null : card;
    for (let at = card.parentElement; at && at !== net; at = at.parentElement) {
      if (at.tagName === "DETAILS" && !at.open) found = at.querySelector("summary");
      if (at.classList.contains("gone")) found = null;
    }
    return found;
  };
  // What is inside of a closed fold may have a place in the layout all the same.
  const shown = (e) => {
    for (let at = e.parentElement; at && at !== net; at = at.parentElement)
      if (at.tagName === "DETAILS" && !at.open && !(e.tagName === "SUMMARY" && e.parentElement === at)) return false;
    return e.getClientRects().length > 0;
  };
  // Lines run in the margins of what is around all that they join: the page, a frame, or a fold.
  const around = (e) => e.parentElement.closest(".frame, .fold, .net");
  const outside = (e) => around(frames.get(+e.dataset.place) || e);
  const home = (elements) => {
    const all = elements.map(outside);
    let at = all[0];
    while (!all.every((e) => at.contains(e))) at = around(at);
    return at;
  };
  const lanes = () => { // the first lane that is free all the way
    const used = [];
    return (from, to) => {
      const lane = used.findIndex((taken) => taken.every(([a, b]) => to < a || from > b));
      if (lane < 0) return used.push([[from, to]]) - 1;
      used[lane].push([from, to]);
      return lane;
    };
  };
  const make = (name, attributes, parent) => {
    const e = document.createElementNS(ns, name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    parent.append(e);
    return e;
  };

  const place = () => {
    const top = net.getBoundingClientRect(), box = (e) => {
      const r = e.getBoundingClientRect();
      return { left: r.left - top.left, right: r.right - top.left, top: r.top - top.top, bottom: r.bottom - top.top, middle: (r.top + r.bottom) / 2 - top.top };
    };
    const order = [...net.querySelectorAll("[data-place], summary")].filter(shown);
    const rank = new Map(order.map((e, i) => [e, i]));
    const groups = new Map();
    for (const [a, b, kind, colour, label] of lines) {
      const from = seen(cards.get(a)), to = seen(cards.get(b));
      if (!from || !to || (from === to && kind !== "round") || (from === to && from.tagName === "SUMMARY")) continue;
      const whole = frames.get(a), key = kind === "lent" ? `${a} ${b} lent ${label}` : `${rank.get(from)} ${kind}`;
      if (!groups.has(key)) groups.set(key, { from, kind, colour, label, to: new Set(), end: whole && from === cards.get(a) ? whole : from, ids: new Set() });
      const group = groups.get(key);
      group.to.add(to);
      group.ids.add(a).add(b);
    }
    const margins = new Map([net, ...net.querySelectorAll(".frame, .fold")].map((e) => [e, { left: lanes(), right: lanes(), counts: { left: 0, right: 0 } }]));
    const jobs = [];
    for (const g of groups.values()) {
      const out = g.kind === "out", from = box(g.end), tos = [...g.to].map((e) => ({ e, ...box(e) }));
      const start = out ? from.bottom : box(g.from).middle;
      if (out) { // a neighbour right below needs no lane
        const next = order[rank.get(g.from) + 1];
        const below = tos.find((t) => t.e === next && g.end === g.from && t.top >= from.bottom && t.top - from.bottom < 60);
        if (below) {
          jobs.push({ g, straight: [Math.max(from.left, below.left) + 22, from.bottom, below.top] });
          tos.splice(tos.indexOf(below), 1);
          if (!tos.length) continue;
        }
      }
      const shift = g.kind === "round" ? 6 : 0, ys = [start + shift, ...tos.map((t) => t.middle - shift)], low = Math.min(...ys), high = Math.max(...ys);
      const within = home([g.from, ...tos.map((t) => t.e)]), side = out ? "left" : "right", margin = margins.get(within);
      const lane = margin[side](low - 3, high + 3);
      margin.counts[side] = Math.max(margin.counts[side], lane + 1);
      jobs.push({ g, tos, start, shift, low, high, lane, from, within });
    }
    let changed = false;
    for (const [e, { counts }] of margins)
      for (const side of ["left", "right"]) {
        const wanted = counts[side] || e === net ? `${16 + LANE * counts[side]}px` : "initial"; // what is around has margins of its own
        changed ||= e.style.getPropertyValue(`--${side}`) !== wanted;
        e.style.setProperty(`--${side}`, wanted);
      }
    if (changed) {
      place.again = (place.again || 0) + 1;
      if (place.again < 6) return place();
    }
    place.again = 0;
    svg.replaceChildren();
    const edge = (e, side) => { // of what is inside of it
      const r = box(e), style = getComputedStyle(e), width = parseFloat(style[`padding${side}`]) + parseFloat(style[`border${side}Width`]);
      return side === "Left" ? r.left + width : r.right - width;
    };
    for (const j of jobs) {
      const g = make("g", { class: `line ${j.g.kind} g${j.g.colour}`, "data-ids": [...j.g.ids].join(" ") }, svg), c = `${j.g.kind} g${j.g.colour}`;
      make("title", {}, g).textContent = j.g.label;
      if (j.straight) {
        const [x, y0, y1] = j.straight;
        make("path", { class: c, d: `M${x},${y0}V${y1 - 5}` }, g);
        make("path", { class: `${c} tip`, d: `M${x - 4},${y1 - 6}h8l-4,6z` }, g);
        continue;
      }
      const out = j.g.kind === "out", x = out ? edge(j.within, "Left") - 8 - LANE * j.lane : edge(j.within, "Right") + 8 + LANE * j.lane;
      if (out) make("path", { class: c, d: `M${j.from.left + 14},${j.from.bottom}v4H${x + 4}q-4,0 -4,4V${j.high}` }, g);
      else {
        make("path", { class: c, d: `M${box(j.g.from).right},${j.start + j.shift}H${x}` }, g);
        make("path", { class: c, d: `M${x},${j.low}V${j.high}` }, g);
      }
      for (const t of j.tos) {
        const end = out ? t.left : t.right, tip = out ? -6 : 6, y = t.middle - j.shift;
        make("path", { class: c, d: `M${x},${y}H${end + tip}` }, g);
        make("path", { class: `${c} tip`, d: `M${end + tip},${y - 4}v8L${end},${y}z` }, g);
      }
    }
  };

  let waiting = 0;
  const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(place); };
  net.addEventListener("toggle", soon, true);
  new ResizeObserver(soon).observe(net);
  net.addEventListener("mouseover", (e) => {
    const card = e.target.closest("[data-place]");
    svg.classList.toggle("some", !!card);
    for (const g of svg.querySelectorAll(".line")) g.classList.toggle("hot", !!card && g.dataset.ids.split(" ").includes(card.dataset.place));
  });
  net.addEventListener("mouseleave", () => svg.classList.remove("some"));
  const form = document.querySelector("form"), search = form.querySelector("[type=search]");
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), kinds = [...form.querySelectorAll(":checked")].map((c) => c.value);
    const asked = words.length + kinds.length > 0;
    let found = 0;
    for (const fold of net.querySelectorAll("details[data-found]")) { // what the last search opened
      fold.open = false;
      delete fold.dataset.found;
    }
    for (const card of cards.values()) {
      const text = card.textContent.toLowerCase();
      const fits = words.every((w) => text.includes(w)) && kinds.every((k) => card.classList.contains(k));
      card.classList.toggle("gone", asked && !fits);
      found += fits;
      for (let at = card.parentElement; asked && fits && at && at !== net; at = at.parentElement)
        if (at.tagName === "DETAILS" && !at.open) at.open = at.dataset.found = true;
    }
    form.querySelector("output").value = asked ? `${found} of ${cards.size}` : "";
    for (const part of [...net.querySelectorAll("section, details")].reverse())
      part.classList.toggle("gone", asked && !part.querySelector("[data-place]:not(.gone)"));
    soon();
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (e) => e.preventDefault());
  form.addEventListener("click", (e) => {
    if (e.target.tagName === "BUTTON") for (const d of net.querySelectorAll("details")) d.open = e.target.value === "open";
  });
  place();
})();
