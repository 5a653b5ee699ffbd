// @ts-check
// What the viseme editor edits: the edits of one voice, what is selected of them, and how they came to be. Knows nothing
// of the page.
import { History } from "./history.mjs"
import * as cueEdits from "./timeline_cues.mjs"
import { isSame, NOTHING, rangeOf, readEdits, VISEMES, writeEdits } from "./timeline_document.mjs"
import { readFile, toArkit, toMotion, toRhubarbJson, toRhubarbTsv } from "./timeline_files.mjs"
import { MouthRows } from "./timeline_motion.mjs"

/** @typedef {import("./timeline_document.mjs").Edits} Edits */
/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/**
 * @typedef {object} Voice what the server says of a voice (animal_lipsync/timeline.py)
 * @property {string} voice fingerprint
 * @property {string} track fingerprint
 * @property {number} duration seconds
 * @property {{rate: number, values: number[]}} peaks
 * @property {import("./timeline_motion.mjs").Motion} motion
 */

export class TimelineState {
  /** @type {History<Edits>} */
  #history = new History(NOTHING)
  /** @type {string | null} the value; null when it has to be written first */
  #text = ""
  #frameRate
  #onChange

  /** Why the value cannot be read; "" when it can. */
  unreadable = ""
  /** @type {Voice | null} */
  voice = null
  duration = 0
  rows = new MouthRows(0, null)
  /** @type {cueEdits.Range | null} */
  selected = null
  /** Index of the key that is selected, or -1. */
  key = -1
  channel = "jaw_open"
  snaps = true

  /** @param {() => number} frameRate @param {() => void} onChange the value is another one */
  constructor(frameRate, onChange) {
    this.#frameRate = frameRate
    this.#onChange = onChange
  }

  get value() {
    return (this.#text ??= writeEdits(this.#history.state))
  }

  /** Anything a file may hold; what cannot be read is kept as it is. @param {any} value */
  set value(value) {
    const { edits, error } = readEdits(value)
    this.#text = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value)
    this.unreadable = error
    this.#history = new History(edits)
    this.deselect()
    this.#update()
  }

  /** Those that are for this voice. @returns {Edits} */
  get edits() {
    return this.suits ? this.#history.state : NOTHING
  }

  /** Whether the edits were made for this voice, as far as is known. */
  get suits() {
    const { voice, track } = this.#history.state
    if (!this.voice) return true
    const isTrack = !track || !this.voice.track || isSame(track, this.voice.track)
    return isTrack && (!voice || isSame(voice, this.voice.voice))
  }

  get isEdited() {
    const { cues, curves } = this.#history.state
    return Boolean(cues) || Object.keys(curves).length > 0
  }

  /** @returns {Cue[]} */
  get cues() {
    return this.edits.cues ?? this.rows.cues
  }

  get keys() {
    return this.edits.curves[this.channel] ?? []
  }

  /** Those of a transcript, where one is known. */
  get words() {
    return this.voice?.motion.visemes?.words ?? []
  }

  get frame() {
    return 1 / this.#frameRate()
  }

  /** Seconds at which the edits end, whatever the voice. */
  get lastEdit() {
    const { cues, curves } = this.#history.state
    return Math.max(0, cues?.at(-1)?.end ?? 0, ...Object.values(curves).map((keys) => keys[keys.length - 1]?.[0] ?? 0))
  }

  /** @param {number} duration seconds @param {Voice | null} voice what is heard in it, if that is known */
  setVoice(duration, voice) {
    this.voice = voice
    this.duration = duration
    this.rows = new MouthRows(duration, voice?.motion ?? null)
    this.#update()
  }

  /** @param {Partial<Edits>} change @param {string} gesture a name for what is one step of undo */
  commit(change, gesture = "") {
    const { edits } = this
    const curves = Object.entries({ ...edits.curves, ...change.curves }).filter(([, keys]) => keys.length)
    const stamp = this.voice ? { voice: this.voice.voice, track: this.voice.track } : {}
    this.#history.commit({ ...edits, ...stamp, ...change, curves: Object.fromEntries(curves) }, gesture)
    this.#publish()
  }

  endGesture() {
    this.#history.endGesture()
  }

  /** What `undoTo` goes back to. */
  get moment() {
    return this.#history.state
  }

  /** @param {Edits} moment before a gesture that is cancelled */
  undoTo(moment) {
    if (this.#history.state !== moment) this.undo()
  }

  startOver() {
    this.#history.commit(NOTHING)
    this.#publish()
  }

  /** Take edits that were made for another voice as made for this one. */
  useHere() {
    const { voice = "", track = "" } = this.voice ?? {}
    this.#history.commit({ ...this.#history.state, voice, track })
    this.#publish()
  }

  get canUndo() {
    return this.#history.canUndo
  }

  get canRedo() {
    return this.#history.canRedo
  }

  undo() {
    if (!this.canUndo) return
    this.#history.undo()
    this.#publish()
  }

  redo() {
    if (!this.canRedo) return
    this.#history.redo()
    this.#publish()
  }

  #publish() {
    this.#text = null
    this.unreadable = ""
    this.#update()
    this.#onChange()
  }

  #update() {
    this.rows.update(this.edits)
    const last = this.cues.length - 1
    if (this.selected && this.selected.last > last) this.selected = last < 0 ? null : { first: last, last }
    if (this.key >= this.keys.length) this.key = -1
  }

  deselect() {
    this.selected = null
    this.key = -1
    this.#history.endGesture()
  }

  /** @param {number} time */
  selectAt(time) {
    const index = cueEdits.cueAt(this.cues, time)
    this.deselect()
    if (index >= 0) this.selected = { first: index, last: index }
  }

  /** @param {number} index @param {boolean} extend what is selected to there */
  select(index, extend = false) {
    const { first, last } = (extend && this.selected) || { first: index, last: index }
    this.deselect()
    this.selected = { first: Math.min(first, index), last: Math.max(last, index) }
  }

  /** Select the cues of a word. @param {{start: number, end: number}} word */
  selectWord({ start, end }) {
    const within = this.cues.flatMap((cue, index) => {
      const middle = (cue.start + cue.end) / 2
      return middle > start && middle < end ? [index] : []
    })
    this.deselect()
    if (within.length) this.selected = { first: within[0], last: within[within.length - 1] }
  }

  /** Select the key or cue before or after; its time. @param {number} by -1 or 1 @param {number} playhead */
  step(by, playhead) {
    if (this.key >= 0) {
      this.key = cueEdits.clamp(this.key + by, 0, this.keys.length - 1)
      return this.keys[this.key][0]
    }
    if (!this.cues.length) return playhead
    const beside = this.selected && (by > 0 ? this.selected.last : this.selected.first) + by
    const index = cueEdits.clamp(beside ?? cueEdits.firstEndingAfter(this.cues, playhead), 0, this.cues.length - 1)
    this.select(index)
    return this.cues[index].start
  }

  /** Select one more cue before or after. @param {number} by -1 or 1 */
  extend(by) {
    if (!this.selected) return
    const index = (by > 0 ? this.selected.last : this.selected.first) + by
    this.select(cueEdits.clamp(index, 0, this.cues.length - 1), true)
  }

  /**
   * The nearest frame, or the playhead within `reach` seconds.
   * @param {number} time
   * @param {number} [playhead]
   * @param {number} [reach]
   */
  snap(time, playhead = -1, reach = 0) {
    return this.snaps ? cueEdits.snapTime(time, this.#frameRate(), [playhead], reach) : time
  }

  /**
   * Give a viseme to what is selected, else to the cue at the playhead, else to a new one.
   * @param {string} viseme
   * @param {number} playhead
   */
  choose(viseme, playhead) {
    if (!this.selected) this.selectAt(playhead)
    if (this.selected) return this.commit({ cues: cueEdits.retypeCues(this.cues, this.selected, viseme) })
    this.insert(viseme, playhead)
  }

  /** @param {string} viseme @param {number} time in a gap */
  insert(viseme, time) {
    const cues = cueEdits.insertCue(this.cues, time, viseme, this.duration)
    if (cues !== this.cues) this.commit({ cues })
    this.selectAt(time)
  }

  /** @param {number} time */
  split(time) {
    const cues = cueEdits.splitCue(this.cues, this.snap(time))
    if (cues !== this.cues) this.commit({ cues })
    this.selectAt(time)
  }

  merge() {
    if (!this.selected) return
    const { first } = this.selected
    const cues = cueEdits.mergeCues(this.cues, this.selected)
    this.selected = { first, last: first }
    if (cues !== this.cues) this.commit({ cues })
  }

  remove() {
    const { selected, key } = this
    this.deselect()
    if (key >= 0) this.commit({ curves: { [this.channel]: cueEdits.removeKey(this.keys, key) } })
    else if (selected) this.commit({ cues: cueEdits.removeCues(this.cues, selected) })
  }

  /** @param {number} time @param {number} value @param {string} gesture */
  setKey(time, value, gesture = "") {
    const keys = cueEdits.setKey(this.keys, time, value, this.channel)
    this.selected = null
    this.commit({ curves: { [this.channel]: keys } }, gesture)
    this.key = keys.findIndex(([at]) => Math.abs(at - time) < 1e-3)
  }

  /**
   * Move a key of `keys`.
   * @param {import("./timeline_document.mjs").Key[]} keys
   * @param {number} index
   * @param {number} time
   * @param {number} value
   * @param {string} gesture
   */
  moveKey(keys, index, time, value, gesture) {
    const moved = cueEdits.moveKey(keys, index, time, value, this.channel, this.duration)
    this.commit({ curves: { [this.channel]: moved } }, gesture)
  }

  /**
   * Move cues of `cues`.
   * @param {Cue[]} cues
   * @param {cueEdits.Range} range
   * @param {number} delta seconds
   * @param {string} gesture
   */
  moveCues(cues, range, delta, gesture) {
    const moved = cueEdits.moveCues(cues, range, delta, this.duration)
    this.selected = moved.range
    this.commit({ cues: moved.cues }, gesture)
  }

  /** Move what is selected; false when nothing is. @param {number} seconds @param {boolean} onlyEnd */
  nudge(seconds, onlyEnd) {
    const { selected, key, keys, cues, duration } = this
    if (key >= 0) this.moveKey(keys, key, keys[key][0] + seconds, keys[key][1], `nudge key ${key}`)
    else if (selected && onlyEnd) {
      const { last } = selected
      const moved = cueEdits.moveEdge(cues, last, "end", cues[last].end + seconds, duration)
      this.commit({ cues: moved }, `nudge end ${last}`)
    } else if (selected) this.moveCues(cues, selected, seconds, "nudge")
    return key >= 0 || selected !== null
  }

  /** Raise or lower a key by hundredths, or go through the visemes. @param {number} steps */
  lift(steps) {
    const { selected, key, keys } = this
    if (key >= 0) {
      const [low, high] = rangeOf(this.channel)
      this.moveKey(keys, key, keys[key][0], keys[key][1] + (steps * (high - low)) / 100, `lift ${key}`)
    } else if (selected) {
      const now = VISEMES.indexOf(this.cues[selected.first].viseme)
      this.choose(VISEMES[(now - Math.sign(steps) + VISEMES.length) % VISEMES.length], 0)
    }
  }

  /**
   * Take over what a file holds; throws in words when that is nothing.
   * @param {string} text
   * @returns {number} seconds at which its cues end
   */
  read(text) {
    const read = readFile(text, this.#frameRate())
    const end = read.cues?.at(-1)?.end ?? 0
    if (!this.duration) this.setVoice(end, this.voice)
    this.commit(read)
    return end
  }

  /** A file of another program. @param {string} form @returns {[name: string, text: string]} */
  write(form) {
    const { cues, duration } = this
    const at = (/** @type {number} */ time) => this.rows.at(time)
    const rate = this.#frameRate()
    if (form === "tsv") return ["visemes.tsv", toRhubarbTsv(cues, duration)]
    if (form === "json") return ["visemes.json", toRhubarbJson(cues, duration)]
    if (form === "csv") return ["motion.csv", toArkit(at, duration, rate)]
    if (form === "motion") return ["motion.json", toMotion(at, cues, duration, rate)]
    return ["edits.json", writeEdits({ ...this.edits, cues })]
  }
}
