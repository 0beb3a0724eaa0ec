(() => {
  const by = (name) => document.getElementById(name);
  themeSwitch(by('theme'));
  const OFTEN = 2000;
  const compared = new Map();
  let followed = null;
  let listed = [];

  const ask = async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    return answer.json();
  };

  const ago = (seconds) => {
    const past = Math.max(0, Date.now() / 1000 - seconds);
    if (past < 90) return `${Math.round(past)} s ago`;
    if (past < 5400) return `${Math.round(past / 60)} min ago`;
    return past < 129600 ? `${Math.round(past / 3600)} h ago` : `${Math.round(past / 86400)} days ago`;
  };

  const meter = (done, all, label) => {
    const share = all ? Math.min(100, (100 * done) / all) : 0;
    const bar = node('div', {});
    bar.style.width = `${share}%`;
    return node('div', {}, node('div', { class: 'meter', role: 'progressbar', 'aria-valuenow': Math.round(share), 'aria-label': label }, bar), node('div', { class: 'faint' }, label));
  };

  const progressOf = (run) => {
    if (run.state === 'damaged') return run.problem;
    const training = run.steps && !run.evaluated && run.state !== 'finished';
    if (run.kind === 'train' || training) return meter(run.step, run.steps, `step ${run.step} of ${run.steps}`);
    const beside = run.beside && run.state === 'running' ? `, random search ${run.beside}` : '';
    return meter(run.evaluated, run.evaluations, `${run.evaluated} of ${run.evaluations} evaluations${beside}`);
  };

  const row = (run) => {
    const box = node('input', { type: 'checkbox', 'aria-label': `Compare ${run.name}`, 'data-place': `compare ${run.name}`, disabled: run.kind !== 'search' });
    box.checked = compared.has(run.name);
    box.addEventListener('change', () => {
      if (box.checked) compared.set(run.name, null);
      else compared.delete(run.name);
      compare();
    });
    const name = node('button', { type: 'button', 'data-run': run.name, 'data-place': `run ${run.name}` }, run.name);
    name.addEventListener('click', () => {
      followed = run.name;
      follow();
      mark();
      by('followed').scrollIntoView({ block: 'nearest' });
    });
    const best = run.best ? `${shown(run.best.value, run.best.axis)}${run.best.axis.unit === '%' ? '' : ` ${run.best.axis.label}`}` : '';
    const link = run.report ? node('a', { href: `/report/${encodeURIComponent(run.name)}`, target: '_blank', rel: 'noopener', 'data-place': `report ${run.name}` }, 'report') : '';
    const state = node('td', {}, node('span', { class: `state ${run.state}` }, run.state));
    if (run.changed) state.append(node('div', { class: 'faint' }, ago(run.changed)));
    return node('tr', {}, node('td', {}, box), node('td', {}, name), state, node('td', {}, best), node('td', { class: 'wrap' }, progressOf(run)), node('td', { class: 'wrap' }, run.asked || ''), node('td', {}, run.space || ''), node('td', {}, link));
  };

  const mark = () => {
    document.querySelectorAll('[data-run]').forEach((button) => button.closest('tr').classList.toggle('chosen', button.dataset.run === followed));
  };

  /* Asks again while the page is seen; a list that has not changed is left alone, so that nobody loses their place in it. */
  let before = '';
  const list = async () => {
    const found = await ask('/api/runs');
    const now = JSON.stringify(found.runs) + Math.floor(Date.now() / 20000);
    if (now === before) return;
    before = now;
    listed = found.runs;
    const focused = document.activeElement?.dataset?.place;
    by('runs').replaceChildren(...listed.map(row));
    if (!listed.length) by('runs').append(node('tr', {}, node('td', { colspan: 8 }, 'There are no runs here yet; nas search makes one.')));
    if (focused) document.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
    mark();
  };

  const choose = (select, axes, wanted) => {
    const kept = select.value;
    const names = axes.map((axis) => axis.name).join();
    if (select.dataset.names !== names) {
      select.replaceChildren(...axes.map((axis) => node('option', { value: axis.name }, axis.label)));
      select.dataset.names = names;
      select.value = axes.some((axis) => axis.name === kept) ? kept : wanted;
    }
    return axes.find((axis) => axis.name === select.value);
  };

  const compare = async () => {
    for (const name of compared.keys()) {
      const known = compared.get(name);
      if (!known || known.state === 'running') {
        const found = await ask(`/api/run/${encodeURIComponent(name)}`);
        if (compared.has(name)) compared.set(name, found);
      }
    }
    const runs = [...compared.values()].filter(Boolean);
    const shared = runs.length ? runs[0].axes.filter((axis) => runs.every((run) => run.axes.some((other) => other.name === axis.name))) : [];
    if (shared.length < 2) {
      unplotted(by('fronts'), runs.length ? 'These runs have no two figures in common.' : '');
      by('fronts-legend').replaceChildren();
      return;
    }
    const y = choose(by('up'), shared, shared[0].name);
    const x = choose(by('across'), shared, (shared.find((axis) => axis.direction === 'minimize' && axis.name !== 'loss') || shared[1]).name);
    const sets = runs.map((run, place) => ({
      name: run.name,
      dot: `s${place % 6}`,
      points: run.studies.flatMap((study, index) =>
        study.numbers.flatMap((number, at) => {
          const [a, b] = [study.values[x.name][at], study.values[y.name][at]];
          return a === null || b === null ? [] : [[a, b, `${place}/${index}/${at}`]];
        }),
      ),
    }));
    const told = (key) => {
      const [place, index, at] = key.split('/').map(Number);
      const [run, study] = [runs[place], runs[place].studies[index]];
      return [
        node('strong', {}, `${run.name}: ${study.name}, evaluation ${study.numbers[at]}`),
        ...run.axes.filter((axis) => study.values[axis.name][at] !== null).map((axis) => node('div', {}, `${axis.label} ${shown(study.values[axis.name][at], axis)}`)),
      ];
    };
    const fronts = sets.map((set, place) => ({ points: set.points, line: `curve s${place % 6}` }));
    scatter(by('fronts'), by('fronts-legend'), { x, y, sets, fronts, limit: {}, winner: null, told });
  };

  const follow = async () => {
    if (!followed) return;
    const run = await ask(`/api/run/${encodeURIComponent(followed)}`);
    if (run.name !== followed) return;
    by('followed-title').textContent = `Run ${run.name}`;
    by('followed-note').textContent = run.state === 'damaged' ? run.problem : run.next ? `Stopped; go on with: ${run.next}` : `${run.state}, changed ${ago(run.changed)}`;
    const figures = node('dl', { class: 'tiles' });
    const tile = (label, value) => figures.append(node('div', {}, node('dt', {}, label), node('dd', {}, value)));
    if (run.steps) tile('training steps', `${run.step} of ${run.steps}`);
    if (run.training && run.training.losses.length) tile('loss', shown(run.training.losses[run.training.losses.length - 1]));
    if (run.evaluations) tile('evaluations', `${run.evaluated} of ${run.evaluations}`);
    if (run.best) tile(`best ${run.best.axis.label}`, shown(run.best.value, run.best.axis));
    by('followed-figures').replaceChildren(figures);
    const series = run.studies.filter((study) => study.progress.length).map((study, place) => ({ name: study.name, points: study.progress, stepped: true, className: place ? 's1 dashed' : 's0' }));
    if (series.length) lines(by('progress'), by('progress-legend'), series, { x: 'evaluations', y: `best ${withUnit(run.best ? run.best.axis : { label: 'figure' })}` });
    else unplotted(by('progress'), 'Nothing is evaluated yet.');
    if (!series.length) by('progress-legend').replaceChildren();
    if (run.training && run.training.losses.length) {
      const points = run.training.steps.map((step, place) => [step, run.training.losses[place]]);
      lines(by('training'), null, [{ name: 'loss', points, className: 's0' }], { x: 'steps', y: 'training loss' }, { x: [0, run.training.planned], phases: run.training.phases });
    } else unplotted(by('training'), 'No losses are known: they are written every quarter of a minute.');
  };

  const again = async () => {
    try {
      if (!document.hidden) {
        await list();
        const active = listed.find((run) => run.name === followed);
        if (active && active.state === 'running') await follow();
        if (listed.some((run) => run.state === 'running' && compared.has(run.name))) await compare();
      }
      by('problem').textContent = '';
    } catch (error) {
      by('problem').textContent = `The runs cannot be read now (${error.message}); is 'nas ui' still running?`;
    }
    setTimeout(again, OFTEN);
  };
  for (const name of ['up', 'across']) by(name).addEventListener('change', compare);
  again();
})();
