// @ts-check
// Edits of cues and keys: data in, new data out.
import { inOrder, rangeOf, round } from "./timeline_document.mjs"

/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/** @typedef {import("./timeline_document.mjs").Key} Key */
/** @typedef {{first: number, last: number}} Range indices of neighbouring cues */

/** Seconds that a cue lasts at least. */
export const SHORTEST = 0.02
const TOUCHING = 1e-4

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high))

/** Index of the cue at `time`, or -1; cues are in order. @param {Cue[]} cues @param {number} time */
export function cueAt(cues, time) {
  const index = firstEndingAfter(cues, time)
  return index < cues.length && cues[index].start <= time ? index : -1
}

/** Index of the first cue that ends after `time`. @param {Cue[]} cues @param {number} time */
export function firstEndingAfter(cues, time) {
  let low = 0
  let high = cues.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (cues[middle].end > time) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * Move the edge between two cues that touch, or the free edge of one.
 * @param {Cue[]} cues
 * @param {number} index of the cue whose edge it is
 * @param {"start" | "end"} edge
 * @param {number} time where to
 * @param {number} duration of the voice
 */
export function moveEdge(cues, index, edge, time, duration) {
  const next = edge === "end" ? index + 1 : index
  const [before, after] = [cues[next - 1], cues[next]]
  const joined = before && after && after.start - before.end < TOUCHING
  const moved = [...cues]
  if (edge === "end" || joined) {
    const last = joined ? after.end - SHORTEST : (after?.start ?? duration)
    moved[next - 1] = { ...before, end: round(clamp(time, before.start + SHORTEST, last)) }
  }
  if (edge === "start" || joined) {
    const first = joined ? before.start + SHORTEST : (before?.end ?? 0)
    moved[next] = { ...after, start: round(clamp(time, first, after.end - SHORTEST)) }
  }
  return moved
}

/**
 * Move cues as they are. Neighbours that touch them follow; what they are moved onto gives way.
 * @param {Cue[]} cues @param {Range} range @param {number} delta seconds @param {number} duration of the voice
 * @returns {{cues: Cue[], range: Range}} and where the moved ones are among them
 */
export function moveCues(cues, { first, last }, delta, duration) {
  const by = clamp(delta, -cues[first].start, duration - cues[last].end)
  const group = cues.slice(first, last + 1)
  const moved = group.map((cue) => ({ ...cue, start: round(cue.start + by), end: round(cue.end + by) }))
  const [start, end] = [moved[0].start, moved[moved.length - 1].end]
  const before = cues.slice(0, first).filter((cue) => start - cue.start >= SHORTEST)
  const after = cues.slice(last + 1).filter((cue) => cue.end - end >= SHORTEST)
  const [near, far] = [before.pop(), after.shift()]
  const isJoined = (/** @type {Cue | undefined} */ a, /** @type {Cue | undefined} */ b) =>
    a && b && b.start - a.end < TOUCHING
  if (near) {
    const follows = near.end > start || isJoined(cues[first - 1], cues[first])
    before.push(follows ? { ...near, end: start } : near)
  }
  if (far) {
    const follows = far.start < end || isJoined(cues[last], cues[last + 1])
    after.unshift(follows ? { ...far, start: end } : far)
  }
  const range = { first: before.length, last: before.length + last - first }
  return { cues: [...before, ...moved, ...after], range }
}

/** @param {Cue[]} cues @param {number} time @returns {Cue[]} the same where a half would be too short */
export function splitCue(cues, time) {
  const index = cueAt(cues, time)
  const cue = cues[index]
  if (!cue || time - cue.start < SHORTEST || cue.end - time < SHORTEST) return cues
  return cues.toSpliced(index, 1, { ...cue, end: round(time) }, { ...cue, start: round(time) })
}

/**
 * One cue in place of many, with the viseme of the longest; of a single one, together with the next.
 * @param {Cue[]} cues
 * @param {Range} range
 */
export function mergeCues(cues, { first, last }) {
  const end = first === last ? Math.min(last + 1, cues.length - 1) : last
  const group = cues.slice(first, end + 1)
  if (group.length < 2) return cues
  const longest = group.reduce((a, b) => (b.end - b.start > a.end - a.start ? b : a))
  const { viseme } = first === last ? group[0] : longest
  return cues.toSpliced(first, group.length, { start: group[0].start, end: group[group.length - 1].end, viseme })
}

/** @param {Cue[]} cues @param {Range} range @param {string} viseme */
export const retypeCues = (cues, { first, last }, viseme) =>
  cues.map((cue, index) => (index >= first && index <= last ? { ...cue, viseme } : cue))

/** @param {Cue[]} cues @param {Range} range @returns {Cue[]} with a gap, in which the mouth is shut */
export const removeCues = (cues, { first, last }) => cues.toSpliced(first, last - first + 1)

/**
 * A new cue in a gap around `time`, or the same cues where there is none.
 * @param {Cue[]} cues
 * @param {number} time
 * @param {string} viseme
 * @param {number} duration
 */
export function insertCue(cues, time, viseme, duration) {
  const next = firstEndingAfter(cues, time)
  const start = Math.max(cues[next - 1]?.end ?? 0, time - 0.06)
  const end = Math.min(cues[next]?.start ?? duration, start + 0.12)
  if (end - start < SHORTEST) return cues
  return cues.toSpliced(next, 0, { start: round(start), end: round(end), viseme })
}

/**
 * The nearest of `targets`, else the nearest frame.
 * @param {number} time @param {number} frameRate @param {number[]} targets @param {number} reach seconds
 */
export function snapTime(time, frameRate, targets = [], reach = 0) {
  const nearest = targets.reduce((best, at) => (Math.abs(at - time) < Math.abs(best - time) ? at : best), Infinity)
  return round(Math.abs(nearest - time) <= reach ? nearest : Math.round(time * frameRate) / frameRate)
}

/** @param {Key[]} keys @param {number} time @param {number} value @param {string} channel */
export function setKey(keys, time, value, channel) {
  return inOrder([...keys, [Math.max(0, time), clamp(value, ...rangeOf(channel))]])
}

/**
 * Move one key between its neighbours.
 * @param {Key[]} keys
 * @param {number} index
 * @param {number} time
 * @param {number} value
 * @param {string} channel
 * @param {number} duration
 */
export function moveKey(keys, index, time, value, channel, duration) {
  const low = index ? keys[index - 1][0] + 0.001 : 0
  const high = index + 1 < keys.length ? keys[index + 1][0] - 0.001 : duration
  return keys.with(index, [round(clamp(time, low, high)), clamp(value, ...rangeOf(channel))])
}

/** @param {Key[]} keys @param {number} index */
export const removeKey = (keys, index) => keys.toSpliced(index, 1)
