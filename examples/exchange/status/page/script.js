'use strict'
// The whole of the page's behaviour: asks for the figures once a second and draws them. Text that comes from the server
// only ever becomes `textContent`, so nothing in it can act.

const POLL_MS = 1000
const WINDOW_MS = 120_000
const TABLE_ROWS = 20
const DASH = '–'

const byId = (id) => document.getElementById(id)
const count = (value) => (value === null ? DASH : Number(value).toLocaleString('en'))
const ms = (value) => (value === null ? DASH : `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`)
const seconds = (value) => (value === null ? DASH : `${(value / 1000).toFixed(2)} s`)
const clock = (time) => (time === null ? DASH : new Date(time).toLocaleTimeString('en-GB'))

function size(bytes) {
  if (bytes === null) return DASH
  if (bytes < 1000) return `${bytes} B`
  const [unit, scale] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9]
  return `${(bytes / scale).toFixed(1)} ${unit}`
}

function element(name, { text, className } = {}) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  if (className !== undefined) made.className = className
  return made
}

/** Fills a definition list with [term, text, class] entries. */
function fillFacts(list, entries, wrap) {
  const parts = entries.map(([term, text, className]) => {
    const pair = [element('dt', { text: term }), element('dd', { text, className })]
    if (!wrap) return pair
    const box = element('div')
    box.append(...pair)
    return [box]
  })
  list.replaceChildren(...parts.flat())
}

// Figures

/** Orders and trades a second, from two looks a few seconds apart. */
const looks = []

function rateOf(view, field) {
  const [first] = looks
  const elapsedMs = first === undefined ? 0 : view.now - first.now
  return elapsedMs <= 0
    ? null
    : Math.max(0, Math.round(((view.engine[field] - first.engine[field]) * 1000) / elapsedMs))
}

function drawTiles(view) {
  const { users, openOrders, orderId, tradeId } = view.engine
  fillFacts(
    byId('tiles'),
    [
      ['Open orders', count(openOrders)],
      ['Orders a second', count(rateOf(view, 'orderId'))],
      ['Trades a second', count(rateOf(view, 'tradeId'))],
      ['Orders ever', count(orderId)],
      ['Trades ever', count(tradeId)],
      ['Users', count(users)],
      ['Unsaved changes', count(view.changesSinceLastSave)],
    ],
    true,
  )
  looks.push(view)
  if (looks.length > 5) looks.shift()
}

function drawState({ health, writesRefused, log, store }) {
  const troubles = [
    writesRefused === null ? null : `Writes are refused: ${writesRefused}`,
    health.ok || writesRefused !== null ? null : health.reason,
    log?.failure ? `The operation log has stopped: ${log.failure}` : null,
    store.error === null ? null : `The store does not answer: ${store.error}`,
  ].filter((text) => text !== null)
  showState(
    troubles.length === 0 ? 'good' : 'bad',
    troubles.length === 0 ? 'all well' : stateWord(writesRefused, health),
  )
  byId('trouble').hidden = troubles.length === 0
  byId('trouble').textContent = troubles.join('\n')
}

function stateWord(writesRefused, health) {
  if (writesRefused !== null) return 'writes refused'
  return health.ok ? 'trouble' : 'last save failed'
}

function showState(className, text) {
  byId('state').className = `state ${className}`
  byId('state-text').textContent = text
}

// Tables

const SNAPSHOT_CELLS = [
  [(row) => clock(row.forkedAt ?? row.endedAt)],
  [(row) => row.sliceId ?? DASH],
  [(row) => row.reason],
  [(row) => ms(row.pauseMs), 'number'],
  [(row) => ms(row.forkMs), 'number'],
  [(row) => ms(row.longestGapMs), 'number'],
  [(row) => count(row.rows), 'number'],
  [(row) => size(row.bytes), 'number'],
  [(row) => size(row.cowBytes), 'number'],
  [(row) => seconds(row.totalMs), 'number'],
]

function rowOf(cells, item, className) {
  const row = element('tr', { className })
  row.append(...cells.map(([text, name]) => element('td', { text: text(item), className: name ?? '' })))
  return row
}

function snapshotRow(item) {
  const row = rowOf(SNAPSHOT_CELLS, item, item.status)
  const status = element('td')
  status.append(element('span', { text: item.status, className: `badge ${item.status}` }))
  if (item.error !== null) status.append(element('span', { text: item.error, className: 'error' }))
  if (item.error !== null) status.className = 'error'
  row.append(status)
  return row
}

function drawSnapshots({ snapshots, saves, failures }) {
  byId('snapshots').tBodies[0].replaceChildren(...snapshots.slice(0, TABLE_ROWS).map(snapshotRow))
  byId('snapshots').hidden = snapshots.length === 0
  byId('no-snapshots').hidden = snapshots.length > 0
  byId('snapshot-sum').textContent = `${count(saves)} saved, ${count(failures)} failed since the start`
}

const MARKET_CELLS = [
  [(market) => market.name],
  [(market) => count(market.asks), 'number'],
  [(market) => count(market.bids), 'number'],
  [(market) => count(market.trades), 'number'],
]

function drawMarkets({ engine }) {
  byId('markets').tBodies[0].replaceChildren(...engine.markets.map((market) => rowOf(MARKET_CELLS, market, '')))
}

function drawHealth({ log, store, lastSaveTime }) {
  const logFacts =
    log === null
      ? [['Log', 'off']]
      : [
          ['Kind', log.kind],
          ['Last entry', count(log.lastId)],
          ['Durable up to', count(log.durableId)],
          ['Waiting for the disk', count(log.pending)],
          log.failure === null ? ['State', 'takes entries'] : ['State', log.failure, 'bad-text'],
        ]
  fillFacts(byId('log'), logFacts)
  const newest = store.newest === null ? DASH : `${store.newest.sliceId}, ${clock(store.newest.createdAt)}`
  fillFacts(byId('store'), [
    ['Kind', `${store.kind}, epoch ${store.epoch}`],
    ['Slices kept', store.slices === null ? DASH : `${count(store.slices)}, ${size(store.bytes)}`],
    ['Newest', newest],
    ['Last save here', clock(lastSaveTime)],
    store.error === null ? ['State', 'answers'] : ['State', store.error, 'bad-text'],
  ])
}

// Chart

const SVG = 'http://www.w3.org/2000/svg'
const MARGIN = { top: 14, right: 12, bottom: 22, left: 52 }
const samples = { times: [], delays: [], end: 0, startedAt: 0 }
let shown = null

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  if (text !== undefined) made.textContent = text
  return made
}

function takeSamples({ delay, startedAt, now }) {
  if (startedAt !== samples.startedAt && samples.startedAt !== 0) {
    // Another process answers now, whose samples are numbered anew: the next question is for all of them.
    Object.assign(samples, { times: [], delays: [], end: 0, startedAt })
    looks.length = 0
    return
  }
  samples.startedAt = startedAt
  samples.times.push(...delay.times)
  samples.delays.push(...delay.delays)
  samples.end = delay.end
  const old = samples.times.filter((time) => time < now - WINDOW_MS).length
  samples.times.splice(0, old)
  samples.delays.splice(0, old)
}

/** The least round step of which four hold the greatest value. */
function stepFor(greatest) {
  const wanted = Math.max(greatest, 4) / 4
  const power = 10 ** Math.floor(Math.log10(wanted))
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= wanted)
}

function drawChart(view) {
  const chart = byId('chart')
  const width = chart.clientWidth
  const height = chart.clientHeight
  const step = stepFor(Math.max(0, ...samples.delays))
  const x = (time) => MARGIN.left + ((time - view.now + WINDOW_MS) / WINDOW_MS) * (width - MARGIN.left - MARGIN.right)
  const y = (delay) => height - MARGIN.bottom - (delay / (4 * step)) * (height - MARGIN.top - MARGIN.bottom)
  const forks = view.snapshots.filter(({ forkedAt }) => forkedAt !== null && forkedAt >= view.now - WINDOW_MS)
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`)
  chart.replaceChildren(
    ...axes({ x, y, step, width, height, now: view.now }),
    ...forks.map((fork) => childBand(fork, x, y, view.now)),
    ...curve(x, y),
    ...forks.flatMap((fork) => forkMark(fork, x, y)),
    svg('line', { class: 'hair', y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: 'hidden' }),
  )
  shown = { x, forks, width }
}

function axes({ x, y, step, width, height, now }) {
  const rows = [0, 1, 2, 3, 4].flatMap((i) => [
    svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(i * step), y2: y(i * step) }),
    svg('text', { x: MARGIN.left - 8, y: y(i * step) + 4, 'text-anchor': 'end' }, `${i * step} ms`),
  ])
  const columns = [120, 90, 60, 30, 0].map((ago) => {
    const anchor = ago === 120 ? 'start' : ago === 0 ? 'end' : 'middle'
    const label = ago === 0 ? 'now' : `−${ago} s`
    return svg('text', { x: x(now - ago * 1000), y: height - 5, 'text-anchor': anchor }, label)
  })
  return [...rows, ...columns]
}

function curve(x, y) {
  const points = samples.times.map((time, i) => `${x(time).toFixed(1)},${y(samples.delays[i]).toFixed(1)}`)
  if (points.length === 0) return []
  const [first, last] = [samples.times[0], samples.times.at(-1)]
  const area = `M${x(first).toFixed(1)},${y(0)}L${points.join('L')}L${x(last).toFixed(1)},${y(0)}Z`
  return [svg('path', { class: 'area', d: area }), svg('path', { class: 'line', d: `M${points.join('L')}` })]
}

function childBand({ forkedAt, endedAt }, x, y, now) {
  const left = Math.max(MARGIN.left, x(forkedAt))
  const right = x(endedAt ?? now)
  return svg('rect', {
    class: 'child',
    x: left,
    y: MARGIN.top,
    width: Math.max(0, right - left),
    height: y(0) - MARGIN.top,
  })
}

function forkMark({ forkedAt, status }, x, y) {
  const failed = status === 'failed' ? ' failed' : ''
  const place = x(forkedAt)
  return [
    svg('line', { class: `fork${failed}`, x1: place, x2: place, y1: MARGIN.top, y2: y(0) }),
    svg('path', { class: `fork-head${failed}`, d: `M${place - 5},${MARGIN.top - 8}h10l-5,8z` }),
  ]
}

function nearest(times, time) {
  let best = -1
  times.forEach((candidate, i) => {
    if (best < 0 || Math.abs(candidate - time) < Math.abs(times[best] - time)) best = i
  })
  return best
}

function point(event) {
  const chart = byId('chart')
  const tip = byId('tip')
  const hair = chart.querySelector('.hair')
  if (shown === null || hair === null || samples.times.length === 0) return
  const at = event.clientX - chart.getBoundingClientRect().left
  const place = nearest(samples.times.map(shown.x), at)
  const x = shown.x(samples.times[place])
  hair.setAttribute('x1', x)
  hair.setAttribute('x2', x)
  hair.setAttribute('visibility', 'visible')
  const fork = shown.forks.find(({ forkedAt }) => Math.abs(shown.x(forkedAt) - at) < 6)
  const lines = [`${clock(samples.times[place])}  ${ms(samples.delays[place])}`]
  if (fork !== undefined) lines.push(`slice ${fork.sliceId}: ${fork.status}, pause ${ms(fork.pauseMs)}`)
  tip.textContent = lines.join('\n')
  tip.hidden = false
  tip.style.left = `${Math.min(x + 12, shown.width - tip.offsetWidth - 4)}px`
}

function leave() {
  byId('tip').hidden = true
  byId('chart').querySelector('.hair')?.setAttribute('visibility', 'hidden')
}

// Life

function draw(view) {
  takeSamples(view)
  for (const part of [drawTiles, drawState, drawSnapshots, drawMarkets, drawHealth, drawChart]) part(view)
}

async function poll() {
  try {
    const response = await fetch(`/status.json?since=${samples.end}`, { signal: AbortSignal.timeout(5 * POLL_MS) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    draw(await response.json())
  } catch {
    showState('bad', 'server does not answer')
  }
  setTimeout(poll, POLL_MS)
}

byId('chart').addEventListener('pointermove', point)
byId('chart').addEventListener('pointerleave', leave)
void poll()
