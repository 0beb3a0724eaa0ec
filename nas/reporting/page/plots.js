'use strict';
document.documentElement.classList.add('scripted');

/* Small parts of a page, made of nodes: texts never become markup. */
const NAMESPACE = 'http://www.w3.org/2000/svg';

function shape(name, attributes, ...children) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function node(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'class') made.className = value;
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/* Figures as people read them; an axis says its unit, and whether k, M and G stand before it. */
function shown(value, axis) {
  if (value === null || value === undefined || Number.isNaN(value)) return 'no figure';
  const unit = axis && axis.unit ? ' ' + axis.unit : '';
  if (axis && axis.scaled) {
    for (const [size, name] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
      if (Math.abs(value) >= size) {
        const part = value / size;
        return part.toFixed(Math.abs(part) < 100 ? 2 : 1) + ' ' + name + (axis.unit || '');
      }
    }
    return String(Math.round(value)) + unit;
  }
  if (axis && axis.unit) return value.toFixed(2) + unit;
  return String(Number(value.toPrecision(4)));
}

/* A tick's label: short, since its axis names the unit. */
function tickText(value, step) {
  const size = Math.abs(value);
  for (const [unit, name] of [[1e9, ' G'], [1e6, ' M'], [1e3, ' k']]) {
    if (size >= unit || step >= unit) return String(Number((value / unit).toPrecision(6))) + name;
  }
  return String(Number(value.toPrecision(6)));
}

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) || 10 * power;
  const found = [];
  // Bounded: a step may be too small to change a number.
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9 && found.length < 50; value += step) found.push(value);
  return { step, values: found.map((value) => (Math.abs(value) < step * 1e-9 ? 0 : value)) };
}

/* A range with room on both sides; figures that differ in their last digits alone are one. */
function widened(low, high, share) {
  if (!(high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high)))) {
    const room = Math.abs(low) * 0.05 || 1;
    return [low - room, high + room];
  }
  return [low - (high - low) * share, high + (high - low) * share];
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/* An empty plot with its grid: what is drawn gets functions from figures to pixels. */
function frame(holder, ranges, titles, label) {
  const width = Math.max(260, Math.floor(holder.clientWidth));
  const height = Math.round(Math.min(430, Math.max(250, width * 0.55)));
  const margin = { left: 52, right: 14, top: 26, bottom: 44 };
  const drawing = shape('svg', { viewBox: `0 0 ${width} ${height}`, height, role: 'img', 'aria-label': label });
  const x = (value) => margin.left + ((value - ranges.x[0]) / (ranges.x[1] - ranges.x[0])) * (width - margin.left - margin.right);
  const y = (value) => height - margin.bottom - ((value - ranges.y[0]) / (ranges.y[1] - ranges.y[0])) * (height - margin.top - margin.bottom);
  const across = ticks(ranges.x[0], ranges.x[1], Math.max(2, Math.floor(width / 110)));
  const up = ticks(ranges.y[0], ranges.y[1], Math.max(2, Math.floor(height / 60)));
  for (const value of across.values) {
    drawing.append(shape('line', { class: 'gridline', x1: x(value), x2: x(value), y1: margin.top, y2: height - margin.bottom }));
    drawing.append(shape('text', { class: 'tick', x: x(value), y: height - margin.bottom + 17, 'text-anchor': 'middle' }, tickText(value, across.step)));
  }
  for (const value of up.values) {
    drawing.append(shape('line', { class: 'gridline', x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }));
    drawing.append(shape('text', { class: 'tick', x: margin.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, tickText(value, up.step)));
  }
  drawing.append(shape('path', { class: 'frame', d: `M${margin.left} ${margin.top}V${height - margin.bottom}H${width - margin.right}` }));
  drawing.append(shape('text', { class: 'axis-title', x: 2, y: 14 }, titles.y));
  drawing.append(shape('text', { class: 'axis-title', x: width - margin.right, y: height - 8, 'text-anchor': 'end' }, titles.x));
  holder.replaceChildren(drawing);
  return { drawing, x, y, width, height, margin };
}

/* Thousands of dots as one path: a line of no length with a round end is a dot. */
function dots(points, x, y) {
  return points.map(([a, b]) => `M${x(a).toFixed(1)} ${y(b).toFixed(1)}h0`).join('');
}

function withUnit(axis) {
  return axis.unit ? `${axis.label}, ${axis.unit}` : axis.label;
}

function legend(list, entries) {
  list.replaceChildren(
    ...entries.map(([kind, name, className]) => {
      const sample = shape('svg', { viewBox: '0 0 22 16', 'aria-hidden': 'true' });
      if (kind === 'dot') sample.append(shape('path', { class: `dots ${className}`, d: 'M11 8h0' }));
      else if (kind === 'ring') sample.append(shape('circle', { class: className, cx: 11, cy: 8, r: 4 }));
      else if (kind === 'star') sample.append(shape('path', { class: className, d: diamond(11, 8, 6) }));
      else sample.append(shape('path', { class: className, d: 'M1 8h20' }));
      return node('li', {}, sample, name);
    }),
  );
}

function diamond(x, y, size) {
  return `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`;
}

/* Lines over one axis. series: [{name, points: [[x, y], ...], stepped, className}] */
function lines(holder, list, series, titles, options) {
  const settings = options || {};
  const draw = () => {
    const every = series.flatMap((one) => one.points);
    const ranges = {
      x: settings.x || widened(...extent([0, ...every.map((point) => point[0])]), 0),
      y: settings.y || widened(...extent(every.map((point) => point[1])), 0.06),
    };
    const label = `${titles.y} over ${titles.x}: ${series.map((one) => one.name).join(', ')}`;
    const made = frame(holder, ranges, titles, label);
    for (const phase of settings.phases || []) {
      if (phase.start <= 0) continue;
      made.drawing.append(shape('line', { class: 'phase', x1: made.x(phase.start), x2: made.x(phase.start), y1: made.margin.top, y2: made.height - made.margin.bottom }));
      made.drawing.append(shape('text', { class: 'tick', x: made.x(phase.start) + 4, y: made.margin.top + 11 }, phase.name));
    }
    for (const one of series) {
      if (!one.points.length) continue;
      let path = '';
      one.points.forEach(([a, b], place) => {
        if (!place) path += `M${made.x(a).toFixed(1)} ${made.y(b).toFixed(1)}`;
        else if (one.stepped) path += `H${made.x(a).toFixed(1)}V${made.y(b).toFixed(1)}`;
        else path += `L${made.x(a).toFixed(1)} ${made.y(b).toFixed(1)}`;
      });
      if (one.points.length === 1) path += 'h0';
      made.drawing.append(shape('path', { class: `curve ${one.className}`, d: path, 'stroke-linecap': 'round' }));
    }
  };
  if (list) legend(list, series.map((one) => ['line', one.name, `curve ${one.className}`]));
  redrawn(holder, draw);
}

/* Pairs that would lie on the diagonal if one side told the other exactly. points: [{x, y, name}] */
function pairs(holder, points, titles, axis) {
  const draw = () => {
    const both = widened(...extent(points.flatMap((point) => [point.x, point.y])), 0.06);
    const made = frame(holder, { x: both, y: both }, titles, `${titles.y} against ${titles.x}, ${points.length} networks`);
    made.drawing.append(shape('path', { class: 'limit', d: `M${made.x(both[0])} ${made.y(both[0])}L${made.x(both[1])} ${made.y(both[1])}` }));
    made.drawing.append(shape('path', { class: 'dots s0', d: dots(points.map((point) => [point.x, point.y]), made.x, made.y) }));
    hovered(holder, made, points.map((point) => [point.x, point.y]), (place) => [
      node('strong', {}, points[place].name),
      node('div', {}, `${titles.x.split(',')[0]} ${shown(points[place].x, axis)}`),
      node('div', {}, `${titles.y.split(',')[0]} ${shown(points[place].y, axis)}`),
    ]);
  };
  redrawn(holder, draw);
}

/* Words in the place of a plot, which is not drawn again. */
function unplotted(holder, words) {
  if (holder.watched) holder.watched.disconnect();
  holder.replaceChildren(words ? node('p', { class: 'note' }, words) : '');
}

/* Draws now, and again whenever the width changes. */
function redrawn(holder, draw) {
  let width = 0;
  const again = () => {
    if (holder.clientWidth && holder.clientWidth !== width) {
      width = holder.clientWidth;
      draw();
    }
  };
  if (holder.watched) holder.watched.disconnect();
  holder.watched = new ResizeObserver(again);
  holder.watched.observe(holder);
  again();
}

/* Shows the nearest of some points under the pointer; returns what shows one by its place. */
function hovered(holder, made, points, told, chosen) {
  const tip = node('div', { class: 'tip', hidden: true });
  const ring = shape('circle', { class: 'ring', r: 7, visibility: 'hidden' });
  made.drawing.append(ring);
  holder.append(tip);
  const places = points.map(([a, b]) => [made.x(a), made.y(b)]);

  const show = (place) => {
    const [left, top] = places[place];
    ring.setAttribute('cx', left);
    ring.setAttribute('cy', top);
    ring.setAttribute('visibility', 'visible');
    tip.replaceChildren(...told(place));
    tip.hidden = false;
    const wide = tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(made.width - wide, left > made.width / 2 ? left - wide - 12 : left + 12))}px`;
    tip.style.top = `${top > made.height / 2 ? Math.max(0, top - tip.offsetHeight - 10) : top + 12}px`;
  };
  const hide = () => {
    ring.setAttribute('visibility', 'hidden');
    tip.hidden = true;
  };
  const nearest = (event, reach) => {
    const box = made.drawing.getBoundingClientRect();
    const scale = made.width / box.width;
    const [left, top] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = -1;
    let least = reach * reach;
    places.forEach(([a, b], place) => {
      const away = (a - left) ** 2 + (b - top) ** 2;
      if (away < least) [best, least] = [place, away];
    });
    return best;
  };
  made.drawing.addEventListener('pointermove', (event) => {
    const place = nearest(event, 28);
    if (place < 0) hide();
    else show(place);
  });
  made.drawing.addEventListener('pointerleave', hide);
  made.drawing.addEventListener('click', (event) => {
    const place = nearest(event, 28);
    if (place < 0) return;
    show(place);
    if (chosen) chosen(place);
  });
  return { show, hide };
}

/* Which points of two figures no other beats; directions as 'maximize' and 'minimize'. */
function undominated(points, across, up) {
  const [a, b] = [across === 'minimize' ? 1 : -1, up === 'maximize' ? -1 : 1];
  const order = points.map((_, place) => place).sort((m, n) => a * (points[m][0] - points[n][0]) || b * (points[m][1] - points[n][1]));
  const found = [];
  let best = Infinity;
  for (const place of order) {
    const value = b * points[place][1];
    if (value < best) {
      best = value;
      found.push(place);
    }
  }
  return found;
}

/* The switch between light and dark; without it the page follows the system. */
function themeSwitch(button) {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
  const name = () => {
    button.textContent = dark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Switch to ${dark() ? 'light' : 'dark'} colours`);
  };
  button.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    name();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', name);
  name();
}
