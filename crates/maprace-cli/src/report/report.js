// Draws the report from the JSON in the element `data`: sorts and filters the table, draws lines, steps
// through timelines. It computes no figure and asks nobody for anything; text is set as text, never as
// HTML. No framework, no build step: what stands here is what runs.
'use strict';

const DATA = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);

// ---- elements ----

function make(space, tag, attributes, children) {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== '') element.append(child);
  }
  return element;
}
const h = (tag, attributes, ...children) => make(null, tag, attributes, children);
const s = (tag, attributes, ...children) => make('http://www.w3.org/2000/svg', tag, attributes, children);

// The button that opens a definition in place.
const what = (key, name) =>
  h('button', { type: 'button', class: 'q', 'data-def': key, 'aria-label': `What is ${name}?` }, '?');

// ---- numbers in words ----

function three(value) {
  if (value === 0) return '0';
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}
function ns(value) {
  if (value < 1e3) return `${Number.isInteger(value) ? value : three(value)} ns`;
  if (value < 1e6) return `${three(value / 1e3)} \u00b5s`;
  if (value < 1e9) return `${three(value / 1e6)} ms`;
  return `${three(value / 1e9)} s`;
}
const percent = (share) => `${three(share * 100)} %`;
const thousands = (value) => Math.round(value).toLocaleString('en-GB');

// ---- definitions in place ----

function closeDefinition() {
  const note = byId('def');
  note.hidden = true;
  if (note.opener) note.opener.removeAttribute('aria-expanded');
  note.opener = null;
}
function openDefinition(button) {
  const note = byId('def');
  const again = note.opener === button;
  closeDefinition();
  if (again) return;
  const term = byId(`def-${button.dataset.def}`);
  note.replaceChildren(h('b', {}, term.textContent), term.nextElementSibling.textContent);
  note.hidden = false;
  const at = button.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - note.offsetWidth - 16);
  note.style.left = `${Math.max(8, left) + scrollX}px`;
  note.style.top = `${at.bottom + scrollY + 6}px`;
  note.opener = button;
  button.setAttribute('aria-expanded', 'true');
}
document.addEventListener('click', (event) => {
  const button = event.target.closest('button.q');
  if (button) openDefinition(button);
  else if (!event.target.closest('#def')) closeDefinition();
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closeDefinition();
});

// ---- light and dark ----

function setUpTheme() {
  const root = document.documentElement;
  const button = byId('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const tell = () => {
    button.textContent = isDark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', isDark() ? 'Change to light colours' : 'Change to dark colours');
  };
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    tell();
  });
  system.addEventListener('change', tell);
  tell();
}

// ---- what is shown ----

const filter = { scenario: '', order: '' };
const shown = (one) =>
  (!filter.scenario || one.scenario === filter.scenario) && (!filter.order || one.order === filter.order);
const distinct = (values) => [...new Set(values)];

// Each configuration has one colour and one mark in all pictures, each order one dash.
const configs = distinct([
  ...DATA.rows.map((row) => row.config),
  ...DATA.distributions.flatMap((one) => one.lines.map((line) => line.config)),
  ...DATA.sweeps.flatMap((sweep) => sweep.lines.map((line) => line.config)),
]);
const colour = (config) => `var(--c${configs.indexOf(config) % 8})`;
const dash = (order) => (order === 'iomap' ? '7 4' : null);

function mark(config, x, y, title) {
  const fill = { fill: colour(config), stroke: 'var(--paper)', 'stroke-width': 0.8 };
  const label = title ? s('title', {}, title) : null;
  switch (configs.indexOf(config) % 5) {
    case 0: return s('circle', { cx: x, cy: y, r: 4, ...fill }, label);
    case 1: return s('rect', { x: x - 3.6, y: y - 3.6, width: 7.2, height: 7.2, ...fill }, label);
    case 2: return s('path', { d: `M${x} ${y - 5}l4.8 8.4h-9.6z`, ...fill }, label);
    case 3: return s('path', { d: `M${x} ${y - 5}l5 5l-5 5l-5 -5z`, ...fill }, label);
    default: return s('path', { d: `M${x - 4.8} ${y - 4}h9.6l-4.8 8.4z`, ...fill }, label);
  }
}

// The key of a picture: a line and a mark for each configuration, a dash for each order.
function keys(used, orders) {
  const line = (order) => s('line', {
    x1: 0, x2: 30, y1: 7, y2: 7, stroke: 'var(--soft)', 'stroke-width': 2, 'stroke-dasharray': dash(order),
  });
  const icon = (...parts) => s('svg', { width: 30, height: 14, 'aria-hidden': 'true' }, parts);
  return h('ul', { class: 'keys', 'aria-label': 'Key' },
    used.map((config) => h('li', {}, icon(mark(config, 15, 7)), config)),
    orders.map((order) => h('li', {}, icon(line(order)), `${order} order`)));
}
const none = (text) => h('p', { class: 'none' }, text);

// ---- the answer ----

function drawChoices() {
  const card = (choice) => h('article', { class: 'card' },
    h('h3', {}, choice.heading),
    choice.answer && h('p', { class: 'answer' }, choice.answer),
    h('ul', {}, choice.why.map((line) => h('li', {}, line))));
  byId('choices').replaceChildren(
    ...(DATA.choices.length ? DATA.choices.map(card) : [none('Nothing was explored or measured.')]));
}

// ---- the table ----

const windowOf = (figures) => (figures && figures.windows[0]) || null;
const eachWindow = (figures, cell) =>
  figures.windows.map((seen) => h('div', {}, cell(seen)));
const small = (...text) => h('small', {}, ...text);

function verdictCell(row) {
  const explored = row.explored;
  if (!explored) return 'not explored';
  const kind = { safe: 'good', damaged: 'bad', incomplete: 'open' }[explored.verdict];
  return [
    h('span', { class: `badge ${kind}` }, explored.text), explored.as_expected === false && ' not as expected',
    row.timeline !== null && h('div', {}, h('a', { href: `#timeline-${row.timeline}` }, 'step by step')),
    explored.checkers.length > 0 && h('small', { class: 'names' }, explored.checkers.join(', ')),
  ];
}
function lengthCell(figures) {
  return eachWindow(figures, (seen) => [
    `${seen.name} ${ns(seen.length.p50)} / ${ns(seen.length.p99)} / ${ns(seen.length.max)}`,
    small(`${thousands(seen.count)} open, ${percent(seen.exposed)} of the time`)]);
}
function rateCell(figures) {
  return [`${thousands(figures.rate)}/s`, small(`${ns(figures.ns)} each, p99 ${ns(figures.operation.p99)}`)];
}
function threadsCost(figures) {
  const noise = figures.noise ? `spread \u00d7${figures.noise.toFixed(2)}` : 'spread not known';
  return [rateCell(figures), small(figures.differs === false ? `no difference shown, ${noise}` : noise)];
}

// A column: head, definition, world, value to sort by, and what its cell says.
function columns() {
  const explored = (pick) => (row) => (row.explored ? pick(row.explored) : null);
  const measured = (pick) => (row) => (row.virtual ? pick(row.virtual) : null);
  const first = (pick) => measured((figures) => (windowOf(figures) ? pick(windowOf(figures)) : null));
  const threads = (pick) => (row) => (row.threads ? pick(row.threads) : null);
  const all = [
    ['scenario', null, '', (row) => row.scenario, (row) => row.scenario],
    ['order', null, '', (row) => row.order, (row) => row.order],
    ['protocol', 'protocol', '', (row) => configs.indexOf(row.config),
      (row) => [row.config, row.counterfactual && h('div', {}, h('span', { class: 'tag' }, 'counterfactual'))]],
    ['cookie', 'cookie', '', (row) => row.cookie, (row) => row.cookie || '\u2013'],
  ];
  if (DATA.rows.some((row) => row.explored)) all.push(
    ['verdict', 'bad', 'explored', explored((e) => ({ safe: 0, incomplete: 1, damaged: 2 })[e.verdict]), verdictCell],
    ['chance', 'chance', 'explored', explored((e) => e.p_random),
      explored((e) => (e.p_random === null ? 'not known' : e.p_random.toFixed(3)))]);
  if (DATA.rows.some((row) => row.media)) {
    all.push(['on', 'medium', '', (row) => row.media, (row) => [row.media, row.cpus && small(`${row.cpus} CPUs`)]]);
  }
  if (DATA.rows.some((row) => row.virtual)) {
    all.push(
      ['window p50 / p99 / max', 'window', 'virtual time', first((w) => w.length.p99), measured(lengthCell)],
      ['footprint', 'footprint', 'virtual time', first((w) => w.footprint.p50),
        measured((f) => eachWindow(f, (w) => [`${w.footprint.p50}, max ${w.footprint.max}`, small('blocks')]))],
      ['hits per million', 'hits', 'virtual time', first((w) => w.per_million.value),
        measured((f) => eachWindow(f, (w) => [three(w.per_million.value),
          small(`${three(w.per_million.low)} to ${three(w.per_million.high)}`)]))],
      ['damage', 'damage', 'virtual time', measured((f) => f.damage.value),
        measured((f) => [`${f.damaged} of ${thousands(f.rounds)}`,
          small(`${percent(f.damage.low)} to ${percent(f.damage.high)}`)])],
      ['catches', 'catches', 'virtual time', first((w) => w.catches),
        measured((f) => eachWindow(f, (w) => thousands(w.catches)))],
      ['cost', 'cost', 'virtual time', measured((f) => f.ns), measured(rateCell)]);
  }
  if (DATA.rows.some((row) => row.threads)) {
    all.push(
      ['window p50 / p99 / max', 'threads', 'threads', threads((f) => windowOf(f) && windowOf(f).length.p99),
        threads(lengthCell)],
      ['cost', 'threads', 'threads', threads((f) => f.ns), threads(threadsCost)]);
  }
  return all.map(([head, def, world, value, cell]) => ({ head, def, world, value, cell }));
}

const sorting = { column: null, down: false };

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return sorting.down ? -order : order;
}

function headCell(column, index) {
  const sorted = sorting.column === index;
  const sort = () => {
    sorting.down = sorted && !sorting.down;
    sorting.column = index;
    drawTable();
    byId('rows').querySelectorAll('button.sort')[index].focus();
  };
  const arrow = sorted ? (sorting.down ? ' \u2193' : ' \u2191') : '';
  const direction = sorting.down ? 'descending' : 'ascending';
  return h('th', { scope: 'col', 'aria-sort': sorted && direction },
    h('button', { type: 'button', class: 'sort', onclick: sort }, column.head + arrow), ' ',
    column.def && what(column.def, column.head));
}

function drawTable() {
  const all = columns();
  let rows = DATA.rows.filter(shown);
  if (sorting.column !== null) {
    const { value } = all[sorting.column];
    rows = rows.slice().sort((a, b) => compare(value(a), value(b)));
  }
  const everything = `${DATA.rows.length} ${DATA.rows.length === 1 ? 'row' : 'rows'}`;
  byId('filtered').value = rows.length === DATA.rows.length ? everything : `${rows.length} of ${everything}`;
  if (!DATA.rows.length) return byId('rows').replaceChildren(none('Nothing was explored or measured.'));
  const worlds = [];
  for (const { world } of all) {
    const last = worlds[worlds.length - 1];
    if (last && last.world === world) last.span += 1;
    else worlds.push({ world, span: 1 });
  }
  const table = h('table', {},
    h('caption', { class: 'kind' }, ''),
    h('thead', {},
      h('tr', { class: 'worlds' }, worlds.map((one) => h('th', { colspan: one.span }, one.world))),
      h('tr', {}, all.map(headCell))),
    h('tbody', {}, rows.map((row) => h('tr', {}, all.map((column) => {
      const cell = column.cell(row);
      const missing = column.world === 'explored' ? 'not explored' : 'not measured';
      return h('td', { class: 'num' }, cell === null ? missing : cell);
    })))));
  const measured = DATA.rows.some((row) => row.virtual || row.threads);
  byId('rows').replaceChildren(
    h('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'All configurations' }, table),
    measured ? '' : none('Nothing was measured in virtual time or on threads: windows, hits and costs are not known here.'));
  return undefined;
}

// ---- charts ----

const decade = (value) => Math.log10(value);

// Ticks of a logarithmic axis: decades, and 2 and 5 between them where there are few.
function logTicks(lo, hi) {
  const ticks = [];
  const few = decade(hi / lo) < 2.5;
  for (let power = Math.floor(decade(lo)); power <= Math.ceil(decade(hi)); power += 1) {
    for (const step of few ? [1, 2, 5] : [1]) {
      const value = step * 10 ** power;
      if (value >= lo * 0.999 && value <= hi * 1.001) ticks.push(value);
    }
  }
  if (ticks.length < 2) return linearTicks(lo, hi);
  const most = 6;
  return ticks.length > most ? ticks.filter((_, i) => i % Math.ceil(ticks.length / most) === 0) : ticks;
}
function linearTicks(lo, hi) {
  const rough = (hi - lo || 1) / 4;
  const base = 10 ** Math.floor(decade(rough));
  const step = [1, 2, 5, 10].map((n) => n * base).find((n) => n >= rough);
  const ticks = [];
  for (let value = Math.ceil(lo / step) * step; value <= hi + step / 1e6; value += step) ticks.push(value);
  return ticks;
}

// An axis: where a value stands between two ends. On a logarithmic one 0 stands below everything else.
function axis(values, log, from, to) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let [lo, hi] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
  if (lo === hi) [lo, hi] = log ? [lo / 2, hi * 2] : [lo - 1, hi + 1];
  // Room, so that no point stands on the frame.
  if (log) [lo, hi] = [lo / (hi / lo) ** 0.06, hi * (hi / lo) ** 0.06];
  const hasZero = log && values.some((value) => value === 0);
  const start = hasZero ? from + (to - from) * 0.12 : from;
  const part = (value) => (log ? decade(value / lo) / decade(hi / lo) : (value - lo) / (hi - lo));
  const at = (value) => (log && value <= 0 ? from : start + (to - start) * part(value));
  const ticks = log ? logTicks(lo, hi) : linearTicks(lo, hi);
  return { at, ticks: hasZero ? [0, ...ticks] : ticks };
}

// Lines and points in a frame. A series: config, order, points of [x, y], and whether it has marks.
function chart({ title, sub, x, y, series }) {
  const [width, height, left, right, top, bottom] = [440, 270, 58, 14, 10, 40];
  const points = series.flatMap((one) => one.points);
  const across = axis([...points.map((p) => p[0]), ...(x.also || [])], x.log, left, width - right);
  const up = axis([...points.map((p) => p[1]), ...(y.also || [])], y.log, height - bottom, top);
  const place = ([px, py]) => [across.at(px), up.at(py)];
  const mesh = [
    across.ticks.map((value) => [
      s('line', { class: 'mesh', x1: across.at(value), x2: across.at(value), y1: top, y2: height - bottom }),
      s('text', { x: across.at(value), y: height - bottom + 15, 'text-anchor': 'middle' }, x.say(value))]),
    up.ticks.map((value) => [
      s('line', { class: 'mesh', x1: left, x2: width - right, y1: up.at(value), y2: up.at(value) }),
      s('text', { x: left - 6, y: up.at(value) + 4, 'text-anchor': 'end' }, y.say(value))]),
    s('line', { class: 'axis', x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    s('text', { x: (left + width - right) / 2, y: height - 6, 'text-anchor': 'middle' }, x.name),
  ];
  const drawn = series.map((one) => seriesOf(one, place));
  return h('figure', {},
    h('figcaption', {}, title, sub && h('small', {}, sub)),
    s('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img',
      'aria-label': `${title}: ${y.name} by ${x.name}, ${series.length} lines` }, mesh, drawn));
}

function seriesOf(one, place) {
  const at = one.points.map(place);
  const label = one.label || `${one.config}, ${one.order} order`;
  const path = at.map(([px, py], i) => `${i ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`).join('');
  const marks = one.marks === false ? at.filter((_, i) => i === Math.floor(at.length / 2)) : at;
  return s('g', {},
    at.length > 1 && s('path', { d: path, fill: 'none', stroke: colour(one.config), 'stroke-width': 1.8,
      'stroke-dasharray': dash(one.order), 'stroke-linejoin': 'round' }, s('title', {}, label)),
    marks.map(([px, py]) => mark(one.config, px, py, label)),
    one.name && at.map(([px, py]) => s('text', { class: 'point', y: py - 7,
      x: px, 'text-anchor': px > 330 ? 'end' : 'start' }, one.name)));
}

const timeAxis = (name) => ({ name, log: true, say: ns });

function drawDistributions() {
  const all = DATA.distributions
    .filter((one) => !filter.scenario || one.scenario === filter.scenario)
    .map((one) => ({ ...one, lines: one.lines.filter((line) => !filter.order || line.order === filter.order) }))
    .filter((one) => one.lines.length);
  if (!all.length) {
    return byId('distributions').replaceChildren(none('No window was measured here.'));
  }
  const figure = (one) => chart({
    title: `${one.window} in ${one.scenario}`,
    sub: `${one.what}${one.lines.some((line) => line.world === 'threads') ? '; threads included' : ''}`,
    x: timeAxis('length of the window'),
    y: { name: 'cumulative share', log: false, say: (v) => v.toFixed(2), also: [0, 1] },
    series: one.lines.map((line) => ({ ...line, marks: false,
      label: `${line.config}, ${line.order} order, ${line.world}, ${line.media}, ${thousands(line.count)} windows` })),
  });
  const lines = all.flatMap((one) => one.lines);
  byId('distributions').replaceChildren(
    keys(distinct(lines.map((line) => line.config)), distinct(lines.map((line) => line.order))),
    h('div', { class: 'grid' }, all.map(figure)));
  return undefined;
}

// Of one sweep and scenario: each figure of each window against the swept value.
function sweepFigures(sweep, scenario, lines) {
  const windows = distinct(lines.flatMap((line) => line.points.flatMap((at) => Object.keys(at.lengths))));
  const x = { name: `${sweep.key} (${sweep.unit})`, log: true, say: (v) => String(Number(v.toPrecision(3))) };
  const series = (pick) => lines.map((line) => ({ ...line,
    points: line.points.map((at) => [at.x, pick(at)]).filter(([, value]) => value !== undefined) }));
  const cut = sweep.cut ? 'ended before its last value' : '';
  const lengths = windows.flatMap((name) => ['p50', 'p99', 'max'].map((which) => chart({
    title: `${name} ${which}, ${scenario}`, sub: cut, x, y: timeAxis('length of the window'),
    series: series((at) => at.lengths[name] && at.lengths[name][which]) })));
  const hits = windows.map((name) => chart({
    title: `${name} hits per million, ${scenario}`, sub: cut, x,
    y: { name: 'hits per million operations', log: true, say: three },
    series: series((at) => at.per_million[name] && at.per_million[name].value) }));
  return [...lengths, ...hits];
}

function drawSweeps() {
  const used = DATA.sweeps.flatMap((sweep) => sweep.lines.filter(shown));
  if (!used.length) return byId('swept').replaceChildren(none('Nothing was swept here.'));
  const figures = DATA.sweeps.flatMap((sweep) => {
    const lines = sweep.lines.filter(shown);
    return distinct(lines.map((line) => line.scenario)).flatMap((scenario) =>
      sweepFigures(sweep, scenario, lines.filter((line) => line.scenario === scenario)));
  });
  byId('swept').replaceChildren(
    keys(distinct(used.map((line) => line.config)), distinct(used.map((line) => line.order))),
    h('div', { class: 'grid' }, figures));
  return undefined;
}

// ---- cost against window ----

const RISKS = [
  ['hits per million operations', (f) => (windowOf(f) ? windowOf(f).per_million.value : 0), three],
  ['rounds with damage', (f) => f.damage.value, percent],
  ['window p99', (f) => (windowOf(f) ? windowOf(f).length.p99 : 0), ns],
];
let risk = 0;

function drawCosts() {
  const rows = DATA.rows.filter(shown).filter((row) => row.virtual);
  if (!rows.length) {
    return byId('costs').replaceChildren(none('Costs were not measured here, so nothing is said of what a fix is worth.'));
  }
  const [name, pick, say] = RISKS[risk];
  const choose = h('select', { 'aria-label': 'What stands upwards',
    onchange: (event) => { risk = Number(event.target.value); drawCosts(); } },
  RISKS.map(([label], i) => h('option', { value: i, selected: i === risk }, label)));
  const place = (row) => [row.scenario, row.media, row.cpus].join('\n');
  const figure = (where) => {
    const own = rows.filter((row) => place(row) === where);
    return chart({
      title: own[0].scenario, sub: `${own[0].media}, ${own[0].cpus} CPUs; left is cheaper, down is safer`,
      x: { name: 'mean time of an operation', log: true, say: ns }, y: { name, log: true, say },
      series: own.map((row) => ({ config: row.config, order: row.order, points: [[row.virtual.ns, pick(row.virtual)]],
        name: `${row.config}${row.order === 'iomap' ? ' i' : ' b'}${row.counterfactual ? '*' : ''}`,
        label: `${row.config}, ${row.order} order: ${ns(row.virtual.ns)}, ${say(pick(row.virtual))}` })),
    });
  };
  byId('costs').replaceChildren(
    h('p', {}, 'Upwards: ', choose, ' \u2014 i: iomap order, b: buffer_head order, *: counterfactual.'),
    keys(distinct(rows.map((row) => row.config)), []),
    h('div', { class: 'grid' }, distinct(rows.map(place)).map(figure)));
  return undefined;
}

// ---- timelines ----

const BOX = 30;
const ROW = 17;
const GUTTER = 128;

// Where things stand: x of a moment, y of each lane, the locks of each lane in rows.
function layout(timeline) {
  const end = Math.max(1, ...timeline.steps.map((step) => step.to));
  const width = timeline.unit === 'step' ? Math.max(1, end) * BOX : Math.max(900, timeline.steps.length * 12);
  let y = 6;
  const lanes = timeline.tasks.map((_, task) => {
    const own = [...timeline.locks, ...timeline.waits].filter((one) => one.task === task);
    const locks = distinct(own.map((one) => one.lock));
    const lane = { y, locks, height: 50 + locks.length * ROW };
    y += lane.height + 12;
    return lane;
  });
  return { width: width + 8, height: y, lanes, x: (moment) => 4 + (moment * width) / end };
}

function gutter(timeline, at) {
  const label = (task, i) => [
    s('text', { class: 'task', x: 10, y: at.lanes[i].y + 33 }, task.name),
    at.lanes[i].locks.map((lock, n) =>
      s('text', { class: 'lock', x: 10, y: at.lanes[i].y + 59 + n * ROW }, lock)),
  ];
  return s('svg', { width: GUTTER, height: at.height, viewBox: `0 0 ${GUTTER} ${at.height}`, 'aria-hidden': 'true' },
    timeline.tasks.map(label));
}

function lockBars(timeline, at) {
  const bar = (one, kind, words) => {
    const lane = at.lanes[one.task];
    const y = lane.y + 50 + lane.locks.indexOf(one.lock) * ROW;
    return s('rect', { class: `held ${kind}`, x: at.x(one.from) + 1, y, rx: 2, height: 10,
      width: Math.max(2, at.x(one.to) - at.x(one.from) - 2) }, s('title', {}, words));
  };
  const who = (one) => timeline.tasks[one.task].name;
  return [
    timeline.locks.map((one) => {
      const how = one.exclusive ? 'exclusive' : 'shared';
      return bar(one, how, `${who(one)} holds ${one.lock}, ${how}`);
    }),
    timeline.waits.map((one) => bar(one, 'waits', `${who(one)} waits for ${one.lock}`)),
  ];
}

function windowShades(timeline, at, id) {
  return timeline.windows.map((one) => {
    const lane = at.lanes[one.task];
    const [x, width] = [at.x(one.from), Math.max(3, at.x(one.to) - at.x(one.from))];
    const box = { x, y: lane.y - 2, width, height: lane.height + 4 };
    const strikes = one.hits.map((step) => {
      const middle = (at.x(timeline.steps[step].from) + at.x(timeline.steps[step].to)) / 2;
      const other = at.lanes[timeline.steps[step].task];
      const down = other.y > lane.y;
      return s('line', { class: 'strike', x1: middle, x2: middle,
        y1: down ? lane.y + lane.height + 2 : lane.y - 2, y2: down ? other.y + 16 : other.y + 44 });
    });
    return [
      s('rect', { class: 'open-window', ...box }, s('title', {}, `${one.name}: ${one.what}`)),
      s('rect', { ...box, fill: `url(#hatch-${id})` }),
      s('text', { class: 'window-name', x: x + 4, y: lane.y + 11 }, `${one.name} open`), strikes,
    ];
  });
}

function stepBoxes(timeline, at, go) {
  const hits = new Set(timeline.windows.flatMap((one) => one.hits));
  const broken = new Set(timeline.wrong.map((one) => one.step));
  return timeline.steps.map((step, i) => {
    const [x, y] = [at.x(step.from), at.lanes[step.task].y + 18];
    const width = Math.max(3, at.x(step.to) - x - 3);
    const flag = broken.has(i) ? '\u2715' : hits.has(i) ? '!' : '';
    const kind = `${hits.has(i) ? ' hit' : ''}${broken.has(i) ? ' broken' : ''}`;
    return s('g', { class: 'step', onclick: () => go(i + 1) },
      s('title', {}, `step ${i + 1}, ${timeline.tasks[step.task].name}: ${step.name}`),
      s('rect', { class: `box${kind}`, x: x + 1.5, y, width, height: 22, rx: 3 }),
      width > 16 && s('text', { x: x + 1.5 + width / 2, y: y + 15 }, i + 1),
      flag && s('text', { class: `flag ${broken.has(i) ? 'broken' : 'hit'}`, x: x + 9 + width / 2, y: y - 4 }, flag));
  });
}

const lockWords = (one) => `${one.lock} (${one.exclusive ? 'exclusive' : 'shared'})`;

// The kernel functions around a step, the operation's own first.
function stack(timeline, step) {
  const op = timeline.tasks[step.task].ops[step.op];
  const said = op && step.calls.length && step.calls[0].endsWith(op.function);
  const head = op && !said ? [op.function] : [];
  return [...head, ...step.calls];
}

// What is said of a position: 0 before the first step, past the last one the end.
function details(timeline, position) {
  const total = timeline.steps.length;
  const entry = (name, ...value) => [h('dt', {}, name), h('dd', {}, ...value)];
  if (position === 0) {
    const does = (task) => task.ops.map((op) => op.op).join(', ') || 'started by another task';
    return [h('dt', { class: 'head' }, `Before the first of ${total} steps`),
      timeline.tasks.map((task) => entry(task.name, does(task)))];
  }
  if (position > total) {
    return [h('dt', { class: 'head' }, 'After the last step'),
      timeline.after.length > 0 && entry('then', timeline.after.join(', ')),
      timeline.wrong.map((one) => entry(one.when,
        h('span', { class: 'wrong' }, one.words), ` \u2014 ${one.checker}${one.kernel_visible ? ', kernel-visible' : ''}`))];
  }
  const step = timeline.steps[position - 1];
  const inside = (one) => one.from < step.to && step.from < one.to;
  const name = (one) => timeline.tasks[one.task].name;
  const held = timeline.tasks.map((task, i) => {
    const own = timeline.locks.filter((one) => one.task === i && inside(one)).map(lockWords);
    return own.length ? `${task.name}: ${own.join(', ')}` : null;
  }).filter(Boolean);
  const open = timeline.windows.filter((one) => inside(one) && one.task !== step.task);
  const lands = open.filter((one) => one.hits.includes(position - 1));
  const waiting = timeline.waits.filter(inside).map((one) => `${name(one)} waits for ${one.lock}`);
  const broken = timeline.wrong.filter((one) => one.step === position - 1);
  return [
    h('dt', { class: 'head' }, `Step ${position} of ${total}: ${name(step)}, `, h('span', { class: 'mono' }, step.name)),
    timeline.unit === 'ns' && entry('time', `${ns(step.from)} to ${ns(step.to)}`),
    entry('inside', h('span', { class: 'mono' }, stack(timeline, step).join(' \u203a ') || 'no call')),
    entry('found', h('span', { class: 'mono' }, step.saw.join('; ') || 'nothing to tell')),
    entry('locks held', held.join(' \u2014 ') || 'none'),
    waiting.length > 0 && entry('waiting', waiting.join(', ')),
    open.length > 0 && entry('window', open.map((one) => `${one.name} of ${name(one)} is open`).join(', '),
      lands.length > 0 && h('b', {}, ': this change lands in it')),
    broken.map((one) => entry('broken', h('span', { class: 'wrong' }, one.words), ` \u2014 ${one.checker}`)),
  ];
}

// The steps as text: a column for each task, calls where they change.
function stepTable(timeline, go) {
  const last = new Map();
  const row = (step, i) => {
    const calls = stack(timeline, step);
    const path = calls.join(' \u203a ');
    const said = last.get(step.task) === path ? null : h('span', { class: 'calls' }, path);
    last.set(step.task, path);
    const broken = timeline.wrong.filter((one) => one.step === i);
    const cell = [said, step.name, step.saw.length > 0 && `: ${step.saw.join('; ')}`,
      timeline.windows.some((one) => one.hits.includes(i)) && h('b', {}, ' ! lands in the window'),
      broken.map((one) => h('span', { class: 'wrong' }, ` \u2715 ${one.words}`))];
    return h('tr', { onclick: () => go(i + 1) }, h('td', { class: 'nr' }, i + 1),
      timeline.tasks.map((_, task) => h('td', {}, task === step.task ? cell : '')));
  };
  return h('table', { class: 'columns' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, ''), timeline.tasks.map((task) => h('th', { scope: 'col' }, task.name)))),
    h('tbody', {}, timeline.steps.map(row)));
}

function ending(timeline) {
  const line = (one) => h('li', {}, `${one.when}: `, h('span', { class: 'wrong' }, one.words),
    ` \u2014 ${one.checker}${one.kernel_visible ? ', kernel-visible' : ''}`);
  return [
    h('p', {}, h('b', {}, 'What is wrong '), what('checkers', 'a checker'),
      timeline.after.length > 0 && ` when all have ended and then ${timeline.after.join(', ')} ran:`),
    h('ul', {}, timeline.wrong.map(line)),
    h('p', { class: 'command' }, h('code', {}, timeline.command)),
  ];
}

// A timeline with its controls. Position 0 stands before the first step, the last one after all.
function player(timeline, id) {
  const total = timeline.steps.length;
  const at = layout(timeline);
  const state = { position: 0 };
  const go = (position) => {
    state.position = Math.max(0, Math.min(total + 1, position));
    show();
  };
  const button = (label, words, to) =>
    h('button', { type: 'button', 'aria-label': words, onclick: () => go(to()) }, label);
  const buttons = [
    button('\u21e4', 'First', () => 0), button('\u2190 Back', 'One step back', () => state.position - 1),
    button('Forward \u2192', 'One step forward', () => state.position + 1), button('\u21e5', 'End', () => total + 1)];
  const slider = h('input', { type: 'range', min: 0, max: total + 1, value: 0, 'aria-label': 'Step',
    oninput: (event) => go(Number(event.target.value)) });
  const detail = h('dl', { class: 'detail', 'aria-live': 'polite' });
  const boxes = stepBoxes(timeline, at, go);
  const cursor = s('line', { class: 'cursor', y1: 0, y2: at.height });
  const hatch = s('defs', {}, s('pattern', { id: `hatch-${id}`, width: 7, height: 7, patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)' }, s('line', { class: 'hatch', x1: 0, y1: 0, x2: 0, y2: 7 })));
  const picture = s('svg', { width: at.width, height: at.height, viewBox: `0 0 ${at.width} ${at.height}`, role: 'img',
    'aria-label': `${total} steps of ${timeline.tasks.map((task) => task.name).join(' and ')}; the list below has them as text` },
  hatch, windowShades(timeline, at, id), lockBars(timeline, at), boxes, cursor);
  const scroll = h('div', { class: 'scroll' }, picture);
  const steps = stepTable(timeline, go);
  const show = () => {
    const { position } = state;
    slider.value = position;
    slider.setAttribute('aria-valuetext', position > total ? 'after the last step' : `step ${position} of ${total}`);
    buttons[0].disabled = buttons[1].disabled = position === 0;
    buttons[2].disabled = buttons[3].disabled = position > total;
    detail.replaceChildren(...details(timeline, position).flat(Infinity).filter((one) => one instanceof Node));
    boxes.forEach((box, i) => {
      box.classList.toggle('now', i + 1 === position);
      box.classList.toggle('later', position > 0 && i + 1 > position);
      box.querySelector('.box').classList.toggle('now', i + 1 === position);
    });
    [...steps.tBodies[0].rows].forEach((row, i) => row.classList.toggle('now', i + 1 === position));
    const step = timeline.steps[Math.min(Math.max(position, 1), total) - 1];
    const x = at.x(position === 0 ? 0 : step.to);
    cursor.setAttribute('x1', x);
    cursor.setAttribute('x2', x);
    if (x < scroll.scrollLeft + 40 || x > scroll.scrollLeft + scroll.clientWidth - 40) {
      scroll.scrollLeft = x - scroll.clientWidth / 2;
    }
  };
  const keysOf = (event) => {
    const moves = { ArrowLeft: state.position - 1, ArrowRight: state.position + 1, Home: 0, End: total + 1 };
    if (event.target.type === 'range' || moves[event.key] === undefined) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  const view = h('div', { class: 'player', tabindex: 0, role: 'group', onkeydown: keysOf,
    'aria-label': 'Timeline: arrow keys step back and forward' },
  h('div', { class: 'controls' }, buttons, slider),
  h('div', { class: 'lanes', style: `--width: ${at.width}` }, h('div', { class: 'gutter' }, gutter(timeline, at)), scroll),
  detail, steps, ending(timeline));
  show();
  return view;
}

function timelineName(timeline) {
  const also = timeline.also.length ? `; the same under ${timeline.also.join(', ')}` : '';
  const moved = timeline.moved.length ? ` ${timeline.moved.join(' ')}` : '';
  return [`${timeline.scenario}, ${timeline.order} order, ${timeline.protocol}${moved} `,
    h('small', {}, `${timeline.steps.length} steps, ${timeline.tasks.length} tasks${also}`)];
}

function drawTimelines() {
  const all = DATA.timelines.map((timeline, i) => [timeline, i]).filter(([timeline]) => shown(timeline));
  const one = ([timeline, i], n) => {
    // Drawn when it is opened: there may be many.
    const fill = (event) => {
      if (event.target.open && !event.target.querySelector('.player')) event.target.append(player(timeline, i));
    };
    return h('details', { class: 'timeline', id: `timeline-${i}`, ontoggle: fill, open: n === 0 },
      h('summary', {}, timelineName(timeline)));
  };
  const left = DATA.left_out > 0 && none(`${DATA.left_out} more did not fit into this file: `
    + 'explore a scenario by itself to see its own.');
  byId('lanes').replaceChildren(...(all.length ? all.map(one) : [none('No counterexample here.')]), left || '');
}

// ---- the whole ----

function drawAll() {
  drawTable();
  drawDistributions();
  drawSweeps();
  drawCosts();
  drawTimelines();
}

function setUpFilters() {
  const everything = [...DATA.rows, ...DATA.timelines, ...DATA.sweeps.flatMap((sweep) => sweep.lines)];
  const fill = (id, key, word) => {
    const values = distinct(everything.map((one) => one[key]));
    byId(id).replaceChildren(h('option', { value: '' }, word), ...values.map((value) => h('option', { value }, value)));
    byId(id).addEventListener('change', (event) => {
      filter[key] = event.target.value;
      drawAll();
    });
  };
  fill('by-scenario', 'scenario', 'all');
  fill('by-order', 'order', 'both');
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
}

// A link to a timeline opens it.
function follow() {
  const target = location.hash.startsWith('#timeline-') && byId(location.hash.slice(1));
  if (!target) return;
  target.open = true;
  target.scrollIntoView();
}

byId('command').textContent = DATA.command;
byId('made').textContent = DATA.made_with ? `\u00b7 ${DATA.made_with}` : '';
setUpTheme();
setUpFilters();
drawChoices();
drawAll();
addEventListener('hashchange', follow);
follow();
// On paper nobody can open anything.
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach((one) => {
    one.open = true;
    const index = one.id.replace('timeline-', '');
    if (one.matches('.timeline') && !one.querySelector('.player')) one.append(player(DATA.timelines[index], index));
  });
});
