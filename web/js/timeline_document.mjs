// @ts-check
// The value of Edit Visemes: what was changed about the mouth of a voice, as JSON (animal_lipsync/edits.py).

export const VISEMES = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"]
export const CHANNELS = [
  "jaw_open",
  "mouth_wide",
  "mouth_pucker",
  "mouth_close",
  "tongue_out",
  "head_pitch",
  "head_yaw",
  "head_roll",
  "blink_left",
  "blink_right",
  "brow",
]
export const HEAD_LIMIT = 45

/** @typedef {{start: number, end: number, viseme: string}} Cue seconds */
/** @typedef {[time: number, value: number]} Key seconds, and [0, 1] or degrees */
/**
 * @typedef {object} Edits
 * @property {Cue[] | null} cues all of them, in order and without overlap; null leaves them as heard
 * @property {Record<string, Key[]>} curves keyframes of channels, in order
 * @property {string} voice fingerprint of the voice they were made for; "" when they may be used on any
 * @property {string} track fingerprint of the visemes they were made for, when those were given
 */

/** @type {Edits} */
export const NOTHING = Object.freeze({ cues: null, curves: {}, voice: "", track: "" })

/** @param {string} channel @returns {[low: number, high: number]} */
export const rangeOf = (channel) => (channel.startsWith("head_") ? [-HEAD_LIMIT, HEAD_LIMIT] : [0, 1])

/**
 * Read the value of the widget.
 * @param {unknown} text
 * @returns {{edits: Edits, error: string}} no edits and a reason when it is not ours to read
 */
export function readEdits(text) {
  if (text === undefined || text === null || (typeof text === "string" && !text.trim())) {
    return { edits: NOTHING, error: "" }
  }
  try {
    const document = typeof text === "string" ? JSON.parse(text) : text
    if (document?.version !== 1) {
      throw new Error(document?.version ? `it is of version ${document.version}` : "it is not an edit of visemes")
    }
    const curves = Object.entries(document.curves ?? {}).map(([name, keys]) => [name, readKeys(name, keys)])
    return {
      edits: {
        cues: document.cues == null ? null : untangle(document.cues.map(readCue)),
        curves: Object.fromEntries(curves.filter(([, keys]) => keys.length)),
        voice: String(document.voice ?? ""),
        track: String(document.track ?? ""),
      },
      error: "",
    }
  } catch (error) {
    return { edits: NOTHING, error: error instanceof Error ? error.message : String(error) }
  }
}

/** @param {Edits} edits */
export function writeEdits(edits) {
  if (!edits.cues && !Object.keys(edits.curves).length) return ""
  const { voice, track, cues, curves } = edits
  return JSON.stringify({ version: 1, voice, track, ...(cues && { cues: cues.map(roundCue) }), curves })
}

/** @param {Cue} cue @returns {Cue} */
const roundCue = ({ start, end, viseme }) => ({ start: round(start), end: round(end), viseme })

/** @param {number} seconds */
export const round = (seconds) => Math.round(seconds * 1e4) / 1e4

/** @param {any} cue @returns {Cue} */
function readCue(cue) {
  const { start, end, viseme } = cue ?? {}
  if (!VISEMES.includes(viseme)) throw new Error(`there is no viseme ${String(viseme).slice(0, 20)}`)
  if (!Number.isFinite(start) || !Number.isFinite(end) || start < 0) throw new Error("a cue has no time")
  return { start, end, viseme }
}

/** @param {string} name @param {any} keys @returns {Key[]} */
function readKeys(name, keys) {
  if (!CHANNELS.includes(name)) throw new Error(`there is no channel ${name.slice(0, 20)}`)
  const [low, high] = rangeOf(name)
  for (const [time, value] of keys) {
    const isKey = Number.isFinite(time) && time >= 0 && value >= low && value <= high
    if (!isKey) throw new Error(`a key of ${name} is wrong`)
  }
  return inOrder(keys)
}

/** Keys by their time, the last of those at one time. @param {Key[]} keys @returns {Key[]} */
export function inOrder(keys) {
  const byTime = new Map(keys.map(([time, value]) => [round(time), value]))
  return [...byTime].sort(([a], [b]) => a - b)
}

/** Cues by their start, each cut where the next one starts. @param {Cue[]} cues @returns {Cue[]} */
export function untangle(cues) {
  const sorted = cues.filter((cue) => cue.end > cue.start).sort((a, b) => a.start - b.start)
  return sorted
    .map((cue, index) => ({ ...cue, end: Math.min(cue.end, sorted[index + 1]?.start ?? Infinity) }))
    .filter((cue) => cue.end > cue.start)
}

const FINGERPRINT_PARTS = 64

/** Whether two fingerprints are of one voice or track, as edits.py decides. @param {string} a @param {string} b */
export function isSame(a, b) {
  if (a === b) return true
  if (a.length !== b.length || !a.length) return false
  if (a.length === FINGERPRINT_PARTS) return [...a].filter((letter, i) => letter === b[i]).length > 0.9 * a.length
  let near = 0
  for (let i = 0; i < a.length; i += 2) {
    near += Number(Math.abs(parseInt(a.slice(i, i + 2), 16) - parseInt(b.slice(i, i + 2), 16)) <= 10)
  }
  return near > 0.9 * FINGERPRINT_PARTS
}
