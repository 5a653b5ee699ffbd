// @ts-check
// How a mouth moves through cues and curves, 100 times a second, for the eye while they are dragged. What is rendered is
// always made by the library (articulation.py, edits.py), which also fills the dips of a mouth that would flap; tests/js
// hold the two together.
import { firstEndingAfter } from "./timeline_cues.mjs"
import { CHANNELS, HEAD_LIMIT } from "./timeline_document.mjs"

/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/** @typedef {import("./timeline_document.mjs").Key} Key */
/** @typedef {import("./timeline_document.mjs").Edits} Edits */
/** @typedef {{start: number, end: number, text: string}} Word */
/**
 * @typedef {{frame_rate: string, channels: string[], values: number[][], visemes?: {cues?: Cue[], words?: Word[]}}} Motion MOTION.json
 */

export const ROWS_PER_SECOND = 100
export const SPOKEN = ["jaw_open", "mouth_wide", "mouth_pucker", "mouth_close", "tongue_out"]
/** Seconds around a keyframe in which a curve returns to what is heard. */
export const REACH = 0.3

/** Opening, pucker and spread of the lips for each viseme (visemes.SHAPES). @type {Record<string, number[]>} */
export const SHAPES = {
  sil: [0, 0, 0],
  PP: [0, 0, 0],
  FF: [0.15, 0, 0.1],
  TH: [0.22, 0, 0.1],
  DD: [0.22, 0, 0.2],
  kk: [0.23, 0, 0.1],
  CH: [0.25, 0.5, 0],
  SS: [0.22, 0, 0.4],
  nn: [0.22, 0, 0.2],
  RR: [0.25, 0.3, 0],
  aa: [1, 0, 0.1],
  E: [0.614, 0, 0.3],
  ih: [0.3, 0, 0.75],
  oh: [0.5, 0.575, 0],
  ou: [0.3, 1, 0],
}
const WIDEST = 0.9
const CUE_BLUR = 3.5
const FASTEST = 14 / ROWS_PER_SECOND
const PRESSING = 0.015
const RESTING = 0.1
const ROUNDING = 0.16
const PARTING = 0.12
const PARTED = 0.08
const NEAR = 0.06
const FAR = 0.2
const MARGIN = 64 // rows beyond a changed cue that it can reach, with room to spare
const AROUND = 24 // rows beside those wanted on which they depend
const RADIUS = Math.ceil(3 * CUE_BLUR)
const KERNEL = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-0.5 * ((i - RADIUS) / CUE_BLUR) ** 2))
const KERNEL_SUM = KERNEL.reduce((a, b) => a + b)

/** @param {number} x */
const clip = (x) => Math.min(1, Math.max(0, x))
/** @param {number} x */
const ease = (x) => clip(x) ** 2 * (3 - 2 * clip(x))

/** The mouth that holds a viseme. @param {string} viseme @returns {Record<string, number>} */
export function poseOf(viseme) {
  const [opening, mouth_pucker, mouth_wide] = SHAPES[viseme]
  const jaw_open = WIDEST * opening
  const tongue_out = Math.max(0.15 * jaw_open ** 2, viseme === "TH" ? 0.12 : 0)
  return { jaw_open, mouth_wide, mouth_pucker, mouth_close: { PP: 1, FF: 0.4 }[viseme] ?? 0, tongue_out }
}

/** The values of every channel while a voice is edited, brought up to date where something changed. */
export class MouthRows {
  /**
   * @param {number} duration seconds
   * @param {Motion | null} heard what the mouth does without any edit
   */
  constructor(duration, heard) {
    this.length = Math.max(1, Math.ceil(duration * ROWS_PER_SECOND))
    this.cues = heard?.visemes?.cues ?? []
    /** @type {Record<string, Float32Array>} */
    this.heard = Object.fromEntries(CHANNELS.map((name) => [name, resample(heard, name, this.length)]))
    /** @type {Record<string, Float32Array>} cues applied, curves not */
    this.spoken = Object.fromEntries(CHANNELS.map((name) => [name, this.heard[name].slice()]))
    /** @type {Record<string, Float32Array>} all applied */
    this.values = Object.fromEntries(CHANNELS.map((name) => [name, this.heard[name].slice()]))
    this.#applied = { cues: this.cues, curves: {} }
  }

  /** @type {{cues: Cue[], curves: Record<string, Key[]>}} */
  #applied

  /** @param {Edits} edits */
  update({ cues: edited, curves }) {
    const cues = edited ?? this.cues
    const [from, to] = difference(this.#applied.cues, cues, this.length)
    if (to > from) this.#speak(cues, from, to)
    for (const name of CHANNELS) {
      const [before, keys] = [this.#applied.curves[name], curves[name]]
      if (before !== keys || (keys && to > from && SPOKEN.includes(name))) {
        this.values[name].set(this.spoken[name])
        if (keys?.length) runThrough(this.values[name], keys)
      } else if (to > from && !keys) {
        this.values[name].set(this.spoken[name].subarray(from, to), from)
      }
    }
    this.#applied = { cues, curves }
  }

  /** @param {Cue[]} cues @param {number} from @param {number} to rows */
  #speak(cues, from, to) {
    const changed = weightOfChange(this.cues, cues, from, to)
    const byHand = articulate(cues, from, to, this.length)
    for (const name of SPOKEN) {
      const heard = this.heard[name]
      for (let i = from; i < to; i++) {
        this.spoken[name][i] = heard[i] + changed[i - from] * (byHand[name][i - from] - heard[i])
      }
    }
  }

  /** Every channel at a time. @param {number} time @returns {Record<string, number>} */
  at(time) {
    const row = Math.min(this.length - 1, Math.max(0, Math.round(time * ROWS_PER_SECOND)))
    return Object.fromEntries(CHANNELS.map((name) => [name, this.values[name][row]]))
  }
}

/** @param {Motion | null} motion @param {string} name @param {number} length */
function resample(motion, name, length) {
  const rows = new Float32Array(length)
  const column = motion?.channels.indexOf(name) ?? -1
  if (!motion || column < 0 || !motion.values.length) return rows
  const rate = rateOf(motion.frame_rate)
  for (let i = 0; i < length; i++) {
    const at = (i / ROWS_PER_SECOND) * rate
    const frame = Math.min(Math.floor(at), motion.values.length - 1)
    const next = motion.values[frame + 1]?.[column] ?? motion.values[frame][column]
    rows[i] = motion.values[frame][column] + (next - motion.values[frame][column]) * Math.min(1, at - frame)
  }
  return rows
}

/** Frames per second of "25" or "30000/1001". @param {string | number} text */
export function rateOf(text) {
  const [above, below = 1] = String(text).split("/").map(Number)
  return above / below > 0 ? above / below : 25
}

/**
 * Rows in which two lists of cues may move the mouth differently.
 * @param {Cue[]} a
 * @param {Cue[]} b
 * @param {number} length
 */
function difference(a, b, length) {
  if (a === b) return [0, 0]
  let first = 0
  while (first < a.length && first < b.length && sameCue(a[first], b[first])) first++
  let last = 0
  const most = Math.min(a.length, b.length) - first
  while (last < most && sameCue(a[a.length - 1 - last], b[b.length - 1 - last])) last++
  const changed = [...a.slice(first, a.length - last), ...b.slice(first, b.length - last)]
  if (!changed.length) return [0, 0]
  // a cue that becomes the first or last one comes to rest differently
  const beside = [a[first - 1], b[first - 1], a[a.length - last], b[b.length - last]].filter(Boolean)
  const touched = first <= 1 || last <= 1 ? [...changed, ...beside] : changed
  const start = Math.min(...touched.map((cue) => cue.start))
  const end = Math.max(...touched.map((cue) => cue.end))
  return [
    Math.max(0, Math.floor(start * ROWS_PER_SECOND) - MARGIN),
    Math.min(length, Math.ceil(end * ROWS_PER_SECOND) + MARGIN),
  ]
}

/** @param {Cue} a @param {Cue} b */
const sameCue = (a, b) => a === b || (a.start === b.start && a.end === b.end && a.viseme === b.viseme)

/** @param {Cue[]} cues @param {number} from @param {number} to @returns {string[]} viseme of each row */
function visemesOf(cues, from, to) {
  const rows = new Array(to - from).fill("sil")
  for (let i = firstEndingAfter(cues, from / ROWS_PER_SECOND); i < cues.length; i++) {
    const { start, end, viseme } = cues[i]
    // rows are centred on (row + 0.5) / 100
    const first = Math.max(from, Math.ceil(start * ROWS_PER_SECOND - 0.5 - 1e-9))
    const last = Math.min(to, Math.ceil(end * ROWS_PER_SECOND - 0.5 - 1e-9))
    if (first >= to) break
    if (last > first) rows.fill(viseme, first - from, last - from)
  }
  return rows
}

/**
 * 1 where the cues differ, 0 further than FAR from there.
 * @param {Cue[]} a
 * @param {Cue[]} b
 * @param {number} from
 * @param {number} to
 */
function weightOfChange(a, b, from, to) {
  const [first, last] = [Math.max(0, from - AROUND), to + AROUND]
  const before = visemesOf(a, first, last)
  const after = visemesOf(b, first, last)
  const distance = new Float32Array(last - first).fill(Infinity)
  for (let i = 0, seen = -Infinity; i < distance.length; i++) {
    distance[i] = i - seen - 0.5
    if (before[i] !== after[i]) seen = i
  }
  for (let i = distance.length - 1, seen = Infinity; i >= 0; i--) {
    if (before[i] !== after[i]) seen = i
    distance[i] = Math.min(distance[i], seen + 0.5 - i)
  }
  return distance.subarray(from - first, to - first).map((rows) => ease((FAR - rows / ROWS_PER_SECOND) / (FAR - NEAR)))
}

/**
 * The channels of rows `from` to `to` as the cues alone make them (motion.visemes_to_motion).
 * @param {Cue[]} cues @param {number} from @param {number} to @param {number} length
 * @returns {Record<string, Float32Array>}
 */
export function articulate(cues, from, to, length) {
  const count = to - from
  const [first, last] = [from - AROUND, to + AROUND]
  const known = Math.max(0, first - RADIUS)
  const visemes = visemesOf(cues, known, Math.min(length, last + RADIUS))
  const shapes = Array.from({ length: last - first + 2 * RADIUS }, (_, i) => {
    const row = Math.min(Math.max(first - RADIUS + i, 0), length - 1)
    return SHAPES[visemes[row - known]] ?? SHAPES.sil
  })
  const opening = smooth(shapes, 0).map((value) => WIDEST * clip(value))
  for (let i = 1; i < opening.length; i++) opening[i] = Math.min(opening[i], opening[i - 1] + FASTEST)
  for (let i = opening.length - 2; i >= 0; i--) opening[i] = Math.min(opening[i], opening[i + 1] + FASTEST)
  const pucker = smooth(shapes, 1)
  // lips round before the vowel that asks for it
  for (let i = pucker.length - 2; i >= 0; i--) {
    pucker[i] = Math.max(pucker[i], pucker[i + 1] - 1 / (ROUNDING * ROWS_PER_SECOND))
  }
  const wide = smooth(shapes, 2)
  // shapes are those of the middle of a row
  const at = (/** @type {Float32Array} */ rows, /** @type {number} */ i) =>
    clip((rows[i + AROUND - 1] + rows[i + AROUND]) / 2)

  const [shut, rest, bite, tongue, parted] = [0, 0, 0, 0, 0].map(() => new Float32Array(count))
  for (let i = firstEndingAfter(cues, from / ROWS_PER_SECOND - 0.2); i < cues.length; i++) {
    const { start, end, viseme } = cues[i]
    if (start * ROWS_PER_SECOND > to + 20) break
    if (viseme === "PP") {
      hold(shut, from, start, end, PRESSING)
      const middle = Math.round(((start + end) / 2) * ROWS_PER_SECOND) - from
      if (middle >= 0 && middle < count) shut[middle] = 1
    } else if (viseme === "sil") {
      const following = cues[i + 1]
      hold(rest, from, start + (i ? RESTING : -RESTING), end + (following ? -RESTING / 2 : RESTING), RESTING / 2)
      const parts = following && following.viseme !== "PP" && end - start > 2 * PARTING
      if (parts) hold(parted, from, end - 0.02, end, PARTING)
    } else if (viseme === "FF") hold(bite, from, start, end, PRESSING)
    else if (viseme === "TH") hold(tongue, from, start, end, PRESSING)
  }
  const make = (/** @type {(i: number) => number} */ value) => Float32Array.from({ length: count }, (_, i) => value(i))
  const jaw_open = make((i) => Math.max(at(opening, i) * (1 - rest[i]), PARTED * parted[i]))
  return {
    jaw_open,
    mouth_wide: make((i) => at(wide, i) * (1 - rest[i])),
    mouth_pucker: make((i) => at(pucker, i) * (1 - rest[i])),
    mouth_close: make((i) => Math.max(shut[i], 0.4 * bite[i])),
    tongue_out: make((i) => Math.max(0.15 * jaw_open[i] ** 2, 0.12 * tongue[i])),
  }
}

/**
 * One column of shapes, blurred; RADIUS rows shorter at both ends.
 * @param {number[][]} shapes
 * @param {number} column
 */
function smooth(shapes, column) {
  const blurred = new Float32Array(shapes.length - 2 * RADIUS)
  for (let i = 0; i < blurred.length; i++) {
    let sum = 0
    for (let k = 0; k < KERNEL.length; k++) sum += KERNEL[k] * shapes[i + k][column]
    blurred[i] = sum / KERNEL_SUM
  }
  return blurred
}

/** @param {Float32Array} rows @param {number} from @param {number} start @param {number} end @param {number} ramp */
function hold(rows, from, start, end, ramp) {
  if (end <= start) return
  const first = Math.max(from, Math.ceil((start - ramp) * ROWS_PER_SECOND))
  const last = Math.min(from + rows.length - 1, Math.floor((end + ramp) * ROWS_PER_SECOND))
  for (let i = first; i <= last; i++) {
    const time = i / ROWS_PER_SECOND
    rows[i - from] = Math.max(rows[i - from], ease(Math.min(time - start, end - time) / ramp + 1))
  }
}

/** Bend rows so that they run through the keys (edits._through). @param {Float32Array} rows @param {Key[]} keys */
function runThrough(rows, keys) {
  const nearness = new Float32Array(rows.length)
  for (const [time] of keys) {
    const first = Math.max(0, Math.ceil((time - REACH) * ROWS_PER_SECOND))
    const last = Math.min(rows.length - 1, Math.floor((time + REACH) * ROWS_PER_SECOND))
    for (let i = first; i <= last; i++) nearness[i] += ease(1 - Math.abs(i / ROWS_PER_SECOND - time) / REACH)
  }
  const curve = pchip(keys)
  for (let i = 0; i < rows.length; i++) {
    if (nearness[i] > 0) rows[i] += Math.min(nearness[i], 1) * (curve(i / ROWS_PER_SECOND) - rows[i])
  }
}

/** Monotone cubic through keys, level at both ends and held beyond them (motion._pchip). @param {Key[]} keys */
export function pchip(keys) {
  const tangents = keys.map((key, i) => {
    if (i === 0 || i === keys.length - 1) return 0
    const [near, far] = [key[0] - keys[i - 1][0], keys[i + 1][0] - key[0]]
    const [before, after] = [(key[1] - keys[i - 1][1]) / near, (keys[i + 1][1] - key[1]) / far]
    if (before * after <= 0) return 0
    const [a, b] = [2 * far + near, far + 2 * near]
    return (a + b) / (a / before + b / after)
  })
  let piece = 0
  return (/** @type {number} */ time) => {
    if (keys.length === 1 || time <= keys[0][0]) return keys[0][1]
    if (time >= keys[keys.length - 1][0]) return keys[keys.length - 1][1]
    if (time < keys[piece][0]) piece = 0
    while (time >= keys[piece + 1][0]) piece++
    const [[x0, y0], [x1, y1]] = [keys[piece], keys[piece + 1]]
    const h = x1 - x0
    const u = (time - x0) / h
    return (
      (1 + 2 * u) * (1 - u) ** 2 * y0 +
      u * (1 - u) ** 2 * h * tangents[piece] +
      u * u * (3 - 2 * u) * y1 +
      u * u * (u - 1) * h * tangents[piece + 1]
    )
  }
}

/**
 * Few keys in place of many values, none further than `tolerance` off.
 * @param {number[]} values
 * @param {number} rate
 * @param {string} channel
 */
export function thinOut(values, rate, channel, tolerance = channel.startsWith("head_") ? HEAD_LIMIT / 100 : 0.01) {
  /** @type {Key[]} */
  const keys = []
  const most = Math.max(1, Math.floor(REACH * rate * 0.9))
  for (let i = 0; i < values.length; ) {
    keys.push([i / rate, values[i]])
    if (i === values.length - 1) break
    let next = Math.min(i + most, values.length - 1)
    while (next > i + 1 && !isStraight(values, i, next, tolerance)) next--
    i = next
  }
  return keys
}

/** @param {number[]} values @param {number} first @param {number} last @param {number} tolerance */
function isStraight(values, first, last, tolerance) {
  for (let i = first + 1; i < last; i++) {
    const on = values[first] + ((values[last] - values[first]) * (i - first)) / (last - first)
    if (Math.abs(values[i] - on) > tolerance) return false
  }
  return true
}
