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

// Each protocol has one colour and one mark in all pictures, each order one dash; cookies of one protocol
// share its colour, and where their lines differ the dash tells them apart.
const configs = distinct([
  ...DATA.rows.map((row) => row.config),
  ...DATA.distributions.flatMap((one) => one.lines.map((line) => line.config)),
  ...DATA.sweeps.flatMap((sweep) => sweep.lines.map((line) => line.config)),
]);
const base = (config) => config.replace(/ cookie=\S+/, '');
const bases = distinct(configs.map(base));
const colour = (config) => `var(--c${bases.indexOf(base(config)) % 8})`;
function dash(order, config = '') {
  if (order !== 'iomap') return null;
  const [, cookie] = config.match(/ cookie=(\S+)/) || [];
  return { off: '2 3', late: '9 3 2 3' }[cookie] || '7 4';
}

// Hollow: no kernel had it.
function mark(config, x, y, title, hollow) {
  const fill = hollow
    ? { fill: 'var(--paper)', stroke: colour(config), 'stroke-width': 1.8 }
    : { fill: colour(config), stroke: 'var(--paper)', 'stroke-width': 0.8 };
  const label = title ? s('title', {}, title) : null;
  switch (bases.indexOf(base(config)) % 5) {
    case 0: return s('circle', { cx: x, cy: y, r: 4, ...fill }, label);
    case 1: return s('rect', { x: x - 3.6, y: y - 3.6, width: 7.2, height: 7.2, ...fill }, label);
    case 2: return s('path', { d: `M${x} ${y - 5}l4.8 8.4h-9.6z`, ...fill }, label);
    case 3: return s('path', { d: `M${x} ${y - 5}l5 5l-5 5l-5 -5z`, ...fill }, label);
    default: return s('path', { d: `M${x - 4.8} ${y - 4}h9.6l-4.8 8.4z`, ...fill }, label);
  }
}

// A piece of a line as a picture has it, for a key.
const icon = (...parts) => s('svg', { width: 30, height: 14, 'aria-hidden': 'true' }, parts);
const dashed = (order, config, stroke) => s('line', {
  x1: 0, x2: 30, y1: 7, y2: 7, stroke, 'stroke-width': 2, 'stroke-dasharray': dash(order, config),
});

// The key of a picture: a mark for each configuration, a dash for each order.
function keys(used, orders) {
  return h('ul', { class: 'keys', 'aria-label': 'Key' },
    used.map((config) => h('li', {}, icon(mark(config, 15, 7)), config)),
    orders.map((order) => h('li', {}, icon(dashed(order, '', 'var(--soft)')), `${order} order`)));
}
const none = (text) => h('p', { class: 'none' }, text);

// ---- the answer ----

function drawChoices() {
  const card = (choice) => h('article', { class: 'card' },
    h('h3', {}, choice.heading),
    choice.answer && h('p', { class: 'answer' }, choice.answer),
    choice.reason && h('p', { class: 'reason' }, choice.reason),
    h('ul', {}, choice.why.map((line) => h('li', {}, line))));
  byId('choices').replaceChildren(
    ...(DATA.choices.length ? DATA.choices.map(card) : [none('Nothing was explored or measured.')]));
}

// ---- the table ----

const windowOf = (figures) => (figures && figures.windows[0]) || null;
const small = (...text) => h('small', {}, ...text);

// The window that is hit most; the others of the row wait until they are asked for. A block of two lines
// for each, so that they stand side by side in all columns.
const eachWindow = (figures, cell) =>
  figures.windows.map((seen, i) => h('div', { class: i ? 'block more' : 'block' }, cell(seen, i)));

function moreButton(figures) {
  const count = figures.windows.length - 1;
  const turn = (event) => {
    const open = event.target.closest('tr').classList.toggle('open');
    event.target.closest('tr').querySelectorAll('button.turn').forEach((one) => one.setAttribute('aria-expanded', open));
  };
  return count > 0 && h('button', { type: 'button', class: 'turn', 'aria-expanded': 'false', onclick: turn,
    'aria-label': `${count} more ${count === 1 ? 'window' : 'windows'} of this row` }, `+${count}`);
}

function checkers(explored) {
  const count = explored.checkers.length;
  return count > 0 && h('details', { class: 'checkers' },
    h('summary', {}, count === 1 ? '1 checker' : `${count} checkers`), small(explored.checkers.join(', ')));
}
function verdictCell(row) {
  const explored = row.explored;
  if (!explored) return 'not explored';
  const kind = { safe: 'good', damaged: 'bad', incomplete: 'open' }[explored.verdict];
  return [
    h('span', { class: `badge ${kind}` }, explored.text), explored.as_expected === false && ' not as expected',
    row.timeline !== null && [' ', h('a', { href: `#timeline-${row.timeline}` }, 'steps')],
    checkers(explored),
  ];
}
function lengthCell(figures) {
  if (!figures.windows.length) return '\u2013';
  return eachWindow(figures, (seen, i) => [
    h('div', { class: 'lengths' }, h('span', {}, seen.name),
      ['p50', 'p99', 'max'].map((which) => h('span', {}, ns(seen.length[which])))),
    small(`${thousands(seen.count)} open, ${percent(seen.exposed)} of the time `, i === 0 && moreButton(figures))]);
}
function hitsCell(figures) {
  if (!figures.windows.length) return '\u2013';
  const whole = (estimate) => [estimate.value, estimate.low, estimate.high].map(thousands);
  return eachWindow(figures, (seen) => {
    const [value, low, high] = whole(seen.per_million);
    return [value, small(`${low} to ${high}`)];
  });
}
function rateCell(figures) {
  return [`${ns(figures.ns)} each`, small(`${thousands(figures.rate)}/s, p99 ${ns(figures.operation.p99)}`)];
}
function threadsCost(figures) {
  const noise = figures.noise ? `spread \u00d7${figures.noise.toFixed(2)}` : 'spread not known';
  return [`${ns(figures.ns)} each, ${thousands(figures.rate)}/s`,
    small(figures.differs === false ? `no difference shown, ${noise}` : noise)];
}

// What every row has in common is said once, above the table.
function places() {
  const place = (row) => (row.media ? `${row.media}${row.cpus ? `, ${row.cpus} CPUs` : ''}` : null);
  return distinct(DATA.rows.map(place).filter(Boolean));
}

const explored = (pick) => (row) => (row.explored ? pick(row.explored) : null);
const virtual = (pick) => (row) => (row.virtual ? pick(row.virtual) : null);
const threads = (pick) => (row) => (row.threads ? pick(row.threads) : null);
const ofFirst = (pick) => (figures) => (windowOf(figures) ? pick(windowOf(figures)) : null);

function virtualColumns() {
  const blocks = (cell) => virtual((f) => (f.windows.length ? eachWindow(f, cell) : '\u2013'));
  return [
    ['window p50 / p99 / max', 'window', 'virtual time', virtual(ofFirst((w) => w.length.p99)),
      virtual(lengthCell)],
    ['hits per million', 'hits', 'virtual time', virtual(ofFirst((w) => w.per_million.value)),
      virtual(hitsCell), 'right'],
    ['catches', 'catches', 'virtual time', virtual(ofFirst((w) => w.catches)),
      blocks((w) => [thousands(w.catches), small('\u00a0')]), 'right'],
    ['damage', 'damage', 'virtual time', virtual((f) => f.damage.value),
      virtual((f) => [`${f.damaged} of ${thousands(f.rounds)}`,
        small(`${three(f.damage.low * 100)} to ${percent(f.damage.high)}`)]), 'right'],
    ['cost', 'cost', 'virtual time', virtual((f) => f.ns), virtual(rateCell), 'right'],
    ['blocks', 'footprint', 'virtual time', virtual(ofFirst((w) => w.footprint.p50)),
      blocks((w) => [w.footprint.p50, small(`max ${w.footprint.max}`)]), 'right'],
  ];
}

// A column: head, definition, world, value to sort by, what its cell says, and a class.
function columns() {
  const settings = (row) => small(row.cookie ? `cookie ${row.cookie}` : 'no cookie');
  const all = [
    ['scenario', null, '', (row) => row.scenario, (row) => row.scenario, 'scenario'],
    ['protocol', 'protocol', '', (row) => bases.indexOf(base(row.config)),
      (row) => [base(row.config), row.counterfactual && h('div', {}, h('span', { class: 'tag' }, 'counterfactual'))],
      'protocol'],
    ['order', 'cookie', '', (row) => `${row.order} ${row.cookie || ''}`, (row) => [row.order, settings(row)]],
  ];
  if (DATA.rows.some((row) => row.explored)) all.push(
    ['verdict', 'bad', 'explored', explored((e) => ({ safe: 0, incomplete: 1, damaged: 2 })[e.verdict]), verdictCell],
    ['chance', 'chance', 'explored', explored((e) => e.p_random),
      explored((e) => (e.p_random === null ? 'not known' : e.p_random.toFixed(3))), 'right']);
  if (places().length > 1) {
    all.push(['on', 'medium', '', (row) => row.media, (row) => [row.media, row.cpus && small(`${row.cpus} CPUs`)]]);
  }
  if (DATA.rows.some((row) => row.virtual)) all.push(...virtualColumns());
  if (DATA.rows.some((row) => row.threads)) {
    all.push(
      ['window p50 / p99 / max', 'threads', 'threads', threads(ofFirst((w) => w.length.p99)), threads(lengthCell)],
      ['cost', 'threads', 'threads', threads((f) => f.ns), threads(threadsCost), 'right']);
  }
  return all.map(([head, def, world, value, cell, kind]) => ({ head, def, world, value, cell, kind: kind || '' }));
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
  return h('th', { scope: 'col', class: column.kind, 'aria-sort': sorted && direction },
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
    places().length === 1 && h('caption', { class: 'kind' }, `Measured on ${places()[0]}`),
    h('thead', {},
      h('tr', { class: 'worlds' }, worlds.map((one) => h('th', { colspan: one.span }, one.world))),
      h('tr', {}, all.map(headCell))),
    h('tbody', {}, rows.map((row) => h('tr', {}, all.map((column) => {
      const cell = column.cell(row);
      const missing = column.world === 'explored' ? 'not explored' : 'not measured';
      return h('td', { class: `num ${column.kind}` }, cell === null ? missing : cell);
    })))));
  const measured = DATA.rows.some((row) => row.virtual || row.threads);
  byId('rows').replaceChildren(
    h('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'All configurations' }, table),
    measured ? '' : none('Nothing was measured in virtual time or on threads: windows, hits and costs are not known here.'));
  return undefined;
}
