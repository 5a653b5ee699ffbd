// @ts-check
// Files of other programs, as text: Rhubarb's TSV, JSON and XML, Live Link Face's CSV (as cues.py and performance.py read
// them), and our own.
import { CHANNELS, HEAD_LIMIT, readEdits, untangle, VISEMES } from "./timeline_document.mjs"
import { thinOut } from "./timeline_motion.mjs"

/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/** @typedef {import("./timeline_document.mjs").Edits} Edits */

const FROM_RHUBARB = { X: "sil", A: "PP", B: "DD", C: "E", D: "aa", E: "oh", F: "ou", G: "FF", H: "nn" }
const TO_RHUBARB = { sil: "X", PP: "A", FF: "G", aa: "D", E: "C", oh: "E", ou: "F" } // all others: B
const ARKIT = {
  jaw_open: ["JawOpen"],
  mouth_close: ["MouthClose"],
  mouth_pucker: ["MouthPucker", "MouthFunnel"],
  mouth_wide: ["MouthSmileLeft", "MouthSmileRight", "MouthStretchLeft", "MouthStretchRight"],
  tongue_out: ["TongueOut"],
  blink_left: ["EyeBlinkLeft"],
  blink_right: ["EyeBlinkRight"],
  brow: ["BrowInnerUp"],
}
const ARKIT_HEAD = { head_pitch: "HeadPitch", head_yaw: "HeadYaw", head_roll: "HeadRoll" }

/**
 * What a dropped file changes.
 * @param {string} text @param {number} frameRate of a table that does not say its own
 * @returns {Partial<Edits>}
 */
export function readFile(text, frameRate) {
  text = text.replace(/^\uFEFF/, "").trim()
  if (text.startsWith("{")) return readJson(text)
  if (text.startsWith("<")) {
    const cues = [...text.matchAll(/<mouthCue\s+start="([^"]*)"\s+end="([^"]*)"\s*>\s*(\w)\s*</g)]
    return { cues: fromRhubarb(cues.map(([, start, end, shape]) => [start, end, shape])) }
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim())
  if (lines[0]?.includes(",")) return { curves: readArkit(lines, frameRate) }
  const rows = lines.map((line) => line.trim().split(/\s+/))
  if (!rows.length || rows.some((row) => row.length !== 2)) {
    throw new Error("This is neither Rhubarb's, ARKit's nor our own file.")
  }
  return { cues: fromRhubarb(rows.map(([start, shape], i) => [start, rows[i + 1]?.[0] ?? start, shape])) }
}

/** @param {string} text @returns {Partial<Edits>} */
function readJson(text) {
  const document = JSON.parse(text)
  if (Array.isArray(document.mouthCues)) {
    const { mouthCues } = /** @type {{mouthCues: any[]}} */ (document)
    return { cues: fromRhubarb(mouthCues.map((cue) => [cue?.start, cue?.end, cue?.value])) }
  }
  const given = document.visemes?.cues ?? document.cues
  if (!Array.isArray(given) && !document.curves) throw new Error("This JSON holds no mouth cues.")
  const { edits, error } = readEdits({ version: 1, cues: given, curves: document.curves })
  if (error) throw new Error(`The file cannot be used: ${error}.`)
  return document.curves ? { cues: edits.cues, curves: edits.curves } : { cues: edits.cues }
}

/** @param {[unknown, unknown, string][]} rows @returns {Cue[]} */
function fromRhubarb(rows) {
  const cues = rows.map(([start, end, shape], index) => {
    const viseme = FROM_RHUBARB[/** @type {"X"} */ (shape)]
    const [from, to] = [Number(start), Number(end)]
    if (!viseme) throw new Error(`Line ${index + 1}: Rhubarb has no shape ${String(shape).slice(0, 20)}.`)
    if (!(from >= 0) || !(to >= from)) throw new Error(`Line ${index + 1} has no time.`)
    return { start: from, end: to, viseme }
  })
  return untangle(cues)
}

/** @param {string[]} lines @param {number} frameRate @returns {Edits["curves"]} */
function readArkit(lines, frameRate) {
  const names = lines[0].split(",").map((name) => name.trim().toLowerCase())
  const rows = lines.slice(1).map((line) => line.split(","))
  const rate = rateOfTimecodes(rows.map((row) => row[names.indexOf("timecode")] ?? "")) ?? frameRate
  const column = (/** @type {string} */ name) => {
    const index = names.indexOf(name.toLowerCase())
    return index < 0 ? null : rows.map((row) => Number(row[index]))
  }
  /** @type {Edits["curves"]} */
  const curves = {}
  for (const [channel, shapes] of Object.entries(ARKIT)) {
    const columns = shapes.map(column).filter((values) => values !== null)
    if (columns.length) curves[channel] = keysOf(columns, rate, channel, (value) => Math.min(1, Math.max(0, value)))
  }
  for (const [channel, name] of Object.entries(ARKIT_HEAD)) {
    const radians = column(name)
    const toDegrees = (/** @type {number} */ value) =>
      Math.min(HEAD_LIMIT, Math.max(-HEAD_LIMIT, (value * 180) / Math.PI))
    if (radians?.some((value) => value)) curves[channel] = keysOf([radians], rate, channel, toDegrees)
  }
  if (!Object.keys(curves).length) {
    throw new Error("The first line names no blendshape of ARKit (JawOpen, MouthClose, ...).")
  }
  return curves
}

/** @param {number[][]} columns @param {number} rate @param {string} channel @param {(value: number) => number} limit */
function keysOf(columns, rate, channel, limit) {
  const values = columns[0].map((_, row) => limit(Math.max(...columns.map((column) => column[row]))))
  if (values.some((value) => !Number.isFinite(value))) throw new Error(`A value of ${channel} is not a number.`)
  return thinOut(values, rate, channel)
}

/** Frames per second of "00:00:01:23.456": how many there are in a second. @param {string[]} timecodes */
function rateOfTimecodes(timecodes) {
  const seconds = timecodes.map((code) => code.split(":").slice(0, 3).join(":"))
  const first = seconds.findIndex((second) => second && second !== seconds[0])
  const next = seconds.findIndex((second, index) => index > first && second !== seconds[first])
  return first > 0 && next > first ? next - first : null
}

/** @param {Cue[]} cues @param {number} duration */
export function toRhubarbTsv(cues, duration) {
  const shapes = toRhubarb(cues)
  return shapes.map(({ start, shape }) => `${start.toFixed(2)}\t${shape}\n`).join("") + `${duration.toFixed(2)}\tX\n`
}

/** @param {Cue[]} cues @param {number} duration */
export function toRhubarbJson(cues, duration) {
  const mouthCues = toRhubarb(cues).map(({ start, end, shape }) => ({ start, end, value: shape }))
  return JSON.stringify({ metadata: { duration }, mouthCues }, null, 2) + "\n"
}

/** Cues without a gap: where there is none, the mouth rests. @param {Cue[]} cues */
function toRhubarb(cues) {
  /** @type {{start: number, end: number, shape: string}[]} */
  const shapes = []
  const add = (/** @type {number} */ start, /** @type {number} */ end, /** @type {string} */ shape) => {
    const last = shapes[shapes.length - 1]
    if (last?.shape === shape) last.end = end
    else shapes.push({ start, end, shape })
  }
  let reached = 0
  for (const { start, end, viseme } of cues) {
    if (start > reached + 0.005) add(reached, start, "X")
    add(start, end, TO_RHUBARB[/** @type {"sil"} */ (viseme)] ?? "B")
    reached = end
  }
  return shapes
}

/**
 * @param {(time: number) => Record<string, number>} valuesAt
 * @param {number} duration
 * @param {number} rate whole frames per second count the time code
 */
export function toArkit(valuesAt, duration, rate) {
  const names = [...Object.values(ARKIT).flat(), ...Object.values(ARKIT_HEAD)]
  const lines = [["Timecode", "BlendshapeCount", ...names].join(",")]
  const pad = (/** @type {number} */ number) => String(number).padStart(2, "0")
  for (let frame = 0; frame < Math.max(1, Math.round(duration * rate)); frame++) {
    const time = frame / rate
    const values = valuesAt(time)
    const second = Math.floor(time + 1e-6)
    const code = [second / 3600, (second / 60) % 60, second % 60].map((part) => pad(Math.floor(part))).join(":")
    const within = ((time - second) * rate).toFixed(3).padStart(6, "0")
    const shapes = Object.entries(ARKIT).flatMap(([channel, shapes]) => shapes.map(() => values[channel]))
    const head = Object.keys(ARKIT_HEAD).map((channel) => (values[channel] * Math.PI) / 180)
    lines.push([`${code}:${within}`, names.length, ...[...shapes, ...head].map((value) => value.toFixed(6))].join(","))
  }
  return lines.join("\n") + "\n"
}

/**
 * MOTION.json: every channel at every frame, and the cues.
 * @param {(time: number) => Record<string, number>} valuesAt
 * @param {Cue[]} cues
 * @param {number} duration
 * @param {number} rate
 */
export function toMotion(valuesAt, cues, duration, rate) {
  const values = Array.from({ length: Math.max(1, Math.round(duration * rate)) }, (_, frame) => {
    const at = valuesAt(frame / rate)
    return CHANNELS.map((name) => Number(at[name].toFixed(4)))
  })
  const visemes = { cues: cues.filter(({ viseme }) => VISEMES.includes(viseme)), text: null }
  return JSON.stringify({ version: 1, frame_rate: String(rate), channels: CHANNELS, values, visemes })
}

