/* The page: sliders, what they say, two figures. Everything is written as text, never as markup. */

const data = JSON.parse(document.getElementById("data").textContent), texts = data.texts;
const at = (id) => document.getElementById(id);
const typeset = (text) => text.replace(/(?<![A-Za-z0-9_-])-(?=[\d.])/g, "\u2212");
const setText = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };
const levers = data.levers.map((lever, i) => ({...lever, input: at(`lever${i}`), output: `lever${i}-value`}));
const sliders = data.sliders.map((slider, i) => ({...slider, input: at(`slider${i}`), hold: at(`hold${i}`), output: `slider${i}-value`}));

let real = null;  // of a served page: the setting that was simulated last, and its mean effects by metric

// -- the state: in the inputs, and in the fragment of the address

function setting() {
  return Object.fromEntries(levers.map((lever) => [lever.key, Number(lever.input.value)]));
}

function held() {
  return Object.fromEntries(sliders.filter((one) => one.hold.checked).map((one) => [one.key, Number(one.input.value)]));
}

function fragment() {
  const own = new URLSearchParams();
  levers.forEach((lever) => own.set(lever.key, lever.input.value));
  sliders.filter((one) => one.hold.checked).forEach((one) => own.set(one.key, one.input.value));
  return `#${own}`;
}

function restore() {
  const own = new URLSearchParams(location.hash.slice(1));
  const taken = (one) => own.has(one.key) && own.get(one.key) !== "" && Number.isFinite(Number(own.get(one.key)));
  levers.forEach((lever) => { lever.input.value = taken(lever) ? own.get(lever.key) : lever.present; });
  sliders.forEach((one) => {
    one.hold.checked = taken(one);
    if (taken(one)) one.input.value = own.get(one.key);
    one.input.disabled = !one.hold.checked;
  });
}

// -- figures

const SVG = "http://www.w3.org/2000/svg", WIDE = 420, HIGH = 240, LEFT = 56, RIGHT = 12, TOP = 14, BOTTOM = 44;

function drawn(parent, tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function ticks(low, high) {
  const rough = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) {
    found.push(Number(value.toPrecision(12)));
  }
  return found;
}

/* An empty figure with a scale upward; x is from 0 to 1. */
function frame(figure, low, high, caption) {
  figure.replaceChildren();
  figure.setAttribute("aria-label", caption);
  const y = (value) => TOP + (HIGH - TOP - BOTTOM) * (high - value) / (high - low || 1);
  const x = (share) => LEFT + (WIDE - LEFT - RIGHT) * share;
  ticks(low, high).forEach((value) => {
    drawn(figure, "line", {x1: LEFT, x2: WIDE - RIGHT, y1: y(value), y2: y(value), class: value === 0 ? "zero" : "grid"});
    drawn(figure, "text", {x: LEFT - 6, y: y(value) + 4, "text-anchor": "end"}, typeset(plain(value)));
  });
  return {x, y, draw: (tag, attributes, text) => drawn(figure, tag, attributes, text)};
}

const STEPS = 24;

/* The effect on LTV along one lever, the others as they stand. */
function along(lever, weight) {
  return Array.from({length: STEPS + 1}, (_, i) => {
    const share = i / STEPS, value = lever.low + share * (lever.high - lever.low);
    const values = effects(data, data.metrics.ltv, {...setting(), [lever.key]: value});
    return {share, over: spread(values, weight, data.metrics.ltv.luck)};
  });
}

function drawAlong(weight) {
  const curves = levers.map((lever) => along(lever, weight));
  const ends = [...curves.flat().flatMap(({over}) => [over.low, over.high, 0]), ...(real ? [real.effects.ltv] : [])];
  const [low, high] = [Math.min(...ends), Math.max(...ends)], room = 0.05 * (high - low);
  levers.forEach((lever, i) => {
    const figure = frame(at(`along${i}`), low - room, high + room, filled(texts.along, {lever: lever.name}));
    const upper = curves[i].map(({share, over}) => `${figure.x(share)},${figure.y(over.high)}`);
    const lower = curves[i].map(({share, over}) => `${figure.x(share)},${figure.y(over.low)}`).reverse();
    figure.draw("polygon", {points: [...upper, ...lower].join(" "), class: "band"});
    figure.draw("polyline", {points: curves[i].map(({share, over}) => `${figure.x(share)},${figure.y(over.mean)}`).join(" "), class: "mean"});
    if (real) {
      const share = (real.setting[lever.key] - lever.low) / (lever.high - lever.low);
      figure.draw("circle", {cx: figure.x(share), cy: figure.y(real.effects.ltv), r: 5, class: "real"});
    }
    const place = (setting()[lever.key] - lever.low) / (lever.high - lever.low);
    if (place >= 0 && place <= 1) {
      figure.draw("line", {x1: figure.x(place), x2: figure.x(place), y1: TOP, y2: HIGH - BOTTOM, class: "here"});
    }
    ticks(lever.low, lever.high).forEach((value) => {
      const share = (value - lever.low) / (lever.high - lever.low);
      figure.draw("text", {x: figure.x(share), y: HIGH - BOTTOM + 16, "text-anchor": "middle"}, plain(value));
    });
    figure.draw("text", {x: figure.x(0.5), y: HIGH - 6, "text-anchor": "middle"}, lever.unit ? filled(texts.axis, {text: lever.name, unit: lever.unit}) : lever.name);
  });
}

function drawYears(found) {
  const ends = data.years.flatMap((year) => [found[year].low, found[year].high, found[year].mean, 0]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)], room = 0.05 * (high - low);
  const figure = frame(at("years"), low - room, high + room, texts.by_year);
  data.years.forEach((year, i) => {
    const {mean, low: from, high: to} = found[year], middle = (i + 0.5) / data.years.length;
    const wide = 0.5 * (WIDE - LEFT - RIGHT) / data.years.length, top = figure.y(Math.max(mean, 0));
    figure.draw("rect", {x: figure.x(middle) - wide / 2, y: top, width: wide, height: Math.abs(figure.y(mean) - figure.y(0)), class: "bar"});
    figure.draw("line", {x1: figure.x(middle), x2: figure.x(middle), y1: figure.y(from), y2: figure.y(to), class: "whisker"});
    figure.draw("text", {x: figure.x(middle), y: HIGH - BOTTOM + 16, "text-anchor": "middle"}, data.metrics[year].short);
  });
}

// -- telling

const withUnit = (amount, unit) => (unit ? filled(texts.with_unit, {amount, unit}) : amount);

function tellSliders(weight) {
  levers.forEach((lever) => {
    const value = withUnit(plain(Number(lever.input.value)), lever.unit);
    setText(lever.output, value);
    lever.input.setAttribute("aria-valuetext", value);
  });
  sliders.forEach((one) => {
    const own = one.options ? one.options[Number(one.input.value)] : withUnit(plain(Number(one.input.value)), one.unit);
    setText(one.output, one.hold.checked ? own : texts.any);
    one.input.setAttribute("aria-valuetext", own);
  });
  setText("effective", filled(texts.effective, {n: fixed(effective(weight), 0), points: data.points}));
}

function tellTable(found) {
  Object.entries(found).forEach(([name, over]) => {
    const metric = data.metrics[name], places = decimals(over.mean, over.low, over.high), row = at(`row-${name}`);
    const cells = [
      signed(over.mean, places), between(over, places, {...texts, interval90: "{span}"}),
      Number.isFinite(over.luck) ? `± ${number(over.luck, places)}` : "-", `± ${number(over.surrogate, places)}`,
      over.unsure ? texts.unsure : "",
    ];
    [...row.querySelectorAll("td")].forEach((cell, i) => { cell.textContent = typeset(cells[i]); });
    row.classList.toggle("unsure", over.unsure);
    row.title = metric.meaning;
  });
}

function tellCommands() {
  const own = setting(), words = levers.map((lever) => `${lever.word}${lever.input.value}`);
  setText("command", [data.command, ...words].join(" "));
  if (!data.file) return;
  const text = data.file.parts.map((part, i) => (i ? `${own[levers[data.file.levers[i - 1]].key]}${part}` : part)).join("");
  setText("file", text);
  at("export").href = `data:application/yaml;charset=utf-8,${encodeURIComponent(text)}`;
}

function tell() {
  const weight = weights(data, held()), asked = setting();
  tellSliders(weight);
  tellCommands();
  const none = !weight.some((one) => one > 0);
  at("answer").classList.toggle("none", none);
  if (none) {
    at("verdict").replaceChildren(document.createTextNode(texts.none));
    return;
  }
  const found = Object.fromEntries(Object.entries(data.metrics).map(
    ([name, metric]) => [name, answer(data, metric, asked, weight)]));
  const told = verdict(data, found.ltv, weight);
  at("verdict").replaceChildren(...told.lines.map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = typeset(line);
    return paragraph;
  }));
  at("answer").classList.toggle("unsure", found.ltv.unsure);
  setText("caution", !inside(data, asked) ? texts.outside : found.ltv.unsure ? texts.too_large : "");
  setText("errors", typeset(filled(texts.errors, {
    interval: between(found.ltv, decimals(found.ltv.low, found.ltv.high), texts),
    luck: number(found.ltv.luck, 2), surrogate: number(found.ltv.surrogate, 2),
  })));
  tellTable(found);
  drawAlong(weight);
  drawYears(found);
}

function moved() {
  tell();
  try { history.replaceState(null, "", fragment()); } catch { /* an address that may not be changed */ }
  at("permalink").href = fragment();
}

restore();
tell();
at("permalink").href = fragment();
levers.forEach((lever) => lever.input.addEventListener("input", moved));
sliders.forEach((one) => {
  one.input.addEventListener("input", moved);
  one.hold.addEventListener("change", () => { one.input.disabled = !one.hold.checked; moved(); });
});
addEventListener("hashchange", () => { restore(); tell(); });
at("reset").addEventListener("click", () => {
  levers.forEach((lever) => { lever.input.value = lever.present; });
  sliders.forEach((one) => { one.hold.checked = false; one.input.disabled = true; });
  moved();
});

// -- where the page is served: a button that simulates the setting, and the gap to it

async function simulate() {
  const asked = setting();
  at("run").disabled = true;
  setText("checked", filled(texts.running, {points: data.points}));
  try {
    const said = await fetch("check", {method: "POST", body: JSON.stringify(asked)});
    const found = await said.json();
    if (found.error) throw new Error(found.error);
    real = {setting: asked, effects: found.effects};
    tellChecked();
    tell();
  } catch (error) {
    setText("checked", filled(texts.failed, {problem: error.message}));
  }
  at("run").disabled = false;
}

function tellChecked() {
  const even = weights(data, {});
  at("checked").replaceChildren(...Object.entries(data.metrics).map(([name, metric]) => {
    const curve = answer(data, metric, real.setting, even), size = real.effects[name];
    const places = decimals(size, curve.low, curve.high), line = document.createElement("p");
    line.textContent = typeset(filled(texts.checked, {
      metric: metric.label, size: signed(size, places), curve: signed(curve.mean, places),
      gap: signed(curve.mean - size, places), error: number(curve.surrogate, places),
    }));
    return line;
  }));
}

if (document.documentElement.dataset.served) {
  at("live").hidden = false;
  at("run").addEventListener("click", simulate);
}
document.documentElement.dataset.ready = "yes";
