// @ts-check
// The viseme editor: voice, mouth shapes and curves over time, to change by hand. Knows nothing of ComfyUI.
import { History } from "./history.mjs"
import { Scope } from "./scope.mjs"
import * as cueEdits from "./timeline_cues.mjs"
import { isSame, NOTHING, readEdits, VISEMES, writeEdits, CHANNELS, rangeOf } from "./timeline_document.mjs"
import { drawOverlay, drawScene, drawShape, mouthColours, SOUNDS, themeOf } from "./timeline_draw.mjs"
import { readFile, toArkit, toMotion, toRhubarbJson, toRhubarbTsv } from "./timeline_files.mjs"
import * as layout from "./timeline_layout.mjs"
import { MouthRows, poseOf } from "./timeline_motion.mjs"
import { drawMouth } from "./timeline_mouth.mjs"
import { decode, MissingFile, Player } from "./timeline_player.mjs"

/** @typedef {import("./timeline_document.mjs").Edits} Edits */
/** @typedef {import("./timeline_document.mjs").Cue} Cue */
/**
 * @typedef {object} Voice what the server says of a voice (animal_lipsync/timeline.py)
 * @property {string} voice fingerprint
 * @property {string} track fingerprint
 * @property {number} duration seconds
 * @property {{rate: number, values: number[]}} peaks
 * @property {import("./timeline_motion.mjs").Motion} motion
 * @property {{start: number, end: number, text: string}[]} [words]
 */
/**
 * @typedef {object} Options
 * @property {() => void} onChange the value is another one
 * @property {() => Promise<Voice>} listen ask the server what the voice of `setSource` says
 * @property {() => number} frameRate
 */

const CHANNEL_NAMES = {
  jaw_open: "Jaw open",
  mouth_wide: "Mouth wide",
  mouth_pucker: "Lips rounded",
  mouth_close: "Lips pressed",
  tongue_out: "Tongue out",
  head_pitch: "Head nod",
  head_yaw: "Head turn",
  head_roll: "Head tilt",
  blink_left: "Left eye shut",
  blink_right: "Right eye shut",
  brow: "Brow raised",
}
const MOVED = 3 // pixels that make a click a drag
const HINT = "Click a mouth shape, then choose another below. Drag it or its edges in time. Space plays."
const KEYS =
  "Arrows: a frame (Shift: ten). , and .: previous, next shape. Alt+arrows: its end. S split, M merge, Delete. " +
  "K: bend the curve here. L loop. + and -: zoom."

const STYLE = new URL("timeline.css", import.meta.url).href

/** @param {HTMLElement} element an empty one @param {Options} options */
export function mountTimeline(element, options) {
  if (!document.querySelector(`link[href="${STYLE}"]`)) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE }))
  }
  return new Timeline(element, options)
}

class Timeline {
  #scope = new Scope()
  #options
  #parts
  #player
  #redraw
  #theme
  /** @type {History<Edits>} */
  #history = new History(NOTHING)
  /** @type {string | null} the value; null when it has to be written first */
  #text = ""
  #unreadable = ""
  /** @type {{url: string, problem: string, canListen: boolean}} */
  #source = { url: "", problem: "", canListen: false }
  #loading = new AbortController()
  #duration = 0
  /** @type {import("./timeline_layout.mjs").Peaks[]} */
  #zooms = []
  /** @type {Voice | null} */
  #voice = null
  #rows = new MouthRows(0, null)
  #busy = ""
  #trouble = ""
  /** @type {import("./timeline_layout.mjs").View} */
  #view = { start: 0, scale: 100, width: 500 }
  #height = 200
  /** @type {{first: number, last: number} | null} */
  #selected = null
  #key = -1
  #channel = "jaw_open"
  /** @type {{start: number, end: number} | null} */
  #span = null
  #loops = false
  #snaps = true
  /** @type {{index: number, part: string} | null} */
  #hover = null
  /** @type {{x: number, y: number} | null} */
  #ghost = null
  /** @type {((event: PointerEvent | null) => void) | null} ends the gesture; null cancels it */
  #gesture = null
  #isStale = true

  /** @param {HTMLElement} element @param {Options} options */
  constructor(element, options) {
    this.element = element
    this.#options = options
    this.#parts = build(element)
    this.#theme = themeOf(element)
    this.#redraw = this.#scope.onNextFrame(() => this.#draw())
    this.#player = new Player(this.#scope, () => this.#refresh())
    this.#connect()
    this.#refresh()
  }

  dispose() {
    this.#loading.abort()
    this.#scope.dispose()
  }

  // The value and the voice, from outside.

  get value() {
    return (this.#text ??= writeEdits(this.#history.state))
  }

  /** Anything a file may hold; what cannot be read is kept as it is. @param {any} value */
  set value(value) {
    const text = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value)
    if (text === this.value) return
    const { edits, error } = readEdits(value)
    this.#text = text
    this.#unreadable = error
    this.#history = new History(edits)
    this.#deselect()
    this.#update()
    this.#listenToEdited()
  }

  /**
   * The voice to show, as far as it is known before a run.
   * @param {{url: string, problem: string, canListen: boolean}} source `problem` says why there is no url
   */
  async setSource(source) {
    this.#loading.abort()
    this.#loading = new AbortController()
    const { signal } = this.#loading
    this.#source = source
    this.#trouble = source.problem
    this.#voice = null
    this.#zooms = []
    this.#span = null
    this.#setLength(source.url ? this.#duration : this.#lastEdit())
    this.#player.load(source.url)
    this.#busy = source.url ? "Opening the voice …" : ""
    this.#update()
    if (!source.url) return
    try {
      const { duration, peaks } = await decode(source.url, signal)
      if (signal.aborted) return
      this.#busy = ""
      this.#zooms = layout.zoomsOf(peaks)
      this.#setLength(duration)
      this.#update()
      this.#listenToEdited()
    } catch (error) {
      if (signal.aborted) return
      this.#busy = ""
      if (error instanceof MissingFile) this.#trouble = "The voice's file is missing. Choose it again in Load Audio."
      else if (source.canListen) return this.#listen()
      else this.#trouble = "The browser cannot read this sound. Press Run once to see it."
      this.#update()
    }
  }

  /** What the server heard; its duration and peaks serve where the browser has none. @param {Voice} voice @param {string} url of its sound, "" where the source has it */
  setVoice(voice, url = "") {
    this.#voice = voice
    this.#trouble = ""
    this.#busy = ""
    if (url) {
      this.#loading.abort()
      this.#player.load(url)
    }
    if (url || !this.#zooms.length) {
      this.#zooms = layout.zoomsOf({ rate: voice.peaks.rate, values: Uint8Array.from(voice.peaks.values) })
    }
    this.#setLength(voice.duration)
    this.#update()
  }

  /** For tests and benchmarks: draw at once. */
  drawNow() {
    this.#isStale = true
    this.#draw()
  }

  /** @param {Partial<import("./timeline_layout.mjs").View>} view */
  look(view) {
    this.#setView({ ...this.#view, ...view })
  }

  get state() {
    const { start, scale } = this.#view
    return {
      cues: this.#cues,
      selected: this.#selected,
      key: this.#key,
      playhead: this.#player.time,
      duration: this.#duration,
      view: { start, scale },
      lanes: this.#lanes,
      isPlaying: this.#player.isPlaying,
      heard: Boolean(this.#voice),
    }
  }

  // What is so.

  /** @returns {Edits} those that are for this voice */
  get #edits() {
    return this.#suits ? this.#history.state : NOTHING
  }

  get #suits() {
    const { voice, track } = this.#history.state
    return !this.#voice || ((!voice || isSame(voice, this.#voice.voice)) && (!track || !this.#voice.track || isSame(track, this.#voice.track)))
  }

  /** @returns {Cue[]} */
  get #cues() {
    return this.#edits.cues ?? this.#rows.cues
  }

  get #keys() {
    return this.#edits.curves[this.#channel] ?? []
  }

  get #lanes() {
    return layout.lanes(this.#height, Boolean(this.#voice?.words?.length))
  }

  get #frame() {
    return 1 / this.#options.frameRate()
  }

  #lastEdit() {
    const { cues, curves } = this.#history.state
    return Math.max(0, cues?.at(-1)?.end ?? 0, ...Object.values(curves).map((keys) => keys[keys.length - 1]?.[0] ?? 0))
  }

  // Changing it.

  /** @param {number} duration */
  #setLength(duration) {
    const wasFitted = this.#view.scale <= this.#view.width / Math.max(this.#duration, 0.1) + 1e-6
    this.#duration = duration
    this.#rows = new MouthRows(duration, this.#voice?.motion ?? null)
    this.#player.time = Math.min(this.#player.time, duration)
    this.#view = wasFitted ? opening(duration, this.#view.width) : layout.within(this.#view, duration)
  }

  /** @param {Partial<Edits>} change @param {string} gesture a name for what is one step of undo */
  #commit(change, gesture = "") {
    const curves = Object.fromEntries(Object.entries({ ...this.#edits.curves, ...change.curves }).filter(([, keys]) => keys.length))
    const stamp = this.#voice ? { voice: this.#voice.voice, track: this.#voice.track } : {}
    this.#history.commit({ ...this.#edits, ...stamp, ...change, curves }, gesture)
    this.#unreadable = ""
    this.#publish()
  }

  #publish() {
    this.#text = null
    this.#update()
    this.#options.onChange()
  }

  #update() {
    this.#rows.update(this.#edits)
    const last = this.#cues.length - 1
    if (this.#selected && this.#selected.last > last) this.#selected = last < 0 ? null : { first: last, last }
    if (this.#key >= this.#keys.length) this.#key = -1
    this.#refresh()
  }

  #deselect() {
    this.#selected = null
    this.#key = -1
  }

  /** @param {import("./timeline_layout.mjs").View} view */
  #setView(view) {
    this.#view = layout.within(view, Math.max(this.#duration, 0.1))
    this.#refresh()
  }

  async #listen() {
    const { signal } = this.#loading
    this.#busy = "Listening to the voice …"
    this.#trouble = ""
    this.#refresh()
    try {
      const voice = await this.#options.listen()
      if (!signal.aborted) this.setVoice(voice)
    } catch (error) {
      if (signal.aborted) return
      this.#busy = ""
      this.#trouble = error instanceof Error ? error.message : String(error)
      this.#update()
    }
  }

  /** Edits are shown on what they change, without being asked. */
  #listenToEdited() {
    const { cues, curves } = this.#history.state
    if ((cues || Object.keys(curves).length) && this.#source.canListen && !this.#voice && !this.#busy) this.#listen()
  }

  /** @param {number} time @param {number} [skip] index of a cue whose edges do not catch */
  #snap(time, skip = -2) {
    if (!this.#snaps) return time
    const reach = 7 / this.#view.scale
    return cueEdits.snapTime(time, this.#options.frameRate(), [this.#player.time], skip === -2 ? 0 : reach)
  }

  #undo() {
    if (!this.#history.canUndo) return
    this.#history.undo()
    this.#publish()
  }

  #redo() {
    if (!this.#history.canRedo) return
    this.#history.redo()
    this.#publish()
  }

  #play() {
    if (this.#player.isPlaying) return this.#player.pause()
    this.#player.loop = this.#loops ? this.#loopSpan() : null
    this.#player.play()
    const follow = () => {
      if (!this.#player.isPlaying || this.#scope.disposed) return
      this.#view = layout.reveal(this.#view, this.#player.time, this.#duration)
      this.#isStale ||= this.#view !== this.#drawnView
      this.#redraw()
      requestAnimationFrame(follow)
    }
    requestAnimationFrame(follow)
  }

  #loopSpan() {
    if (this.#span) return this.#span
    if (!this.#selected) return { start: 0, end: this.#duration }
    const [first, last] = [this.#cues[this.#selected.first], this.#cues[this.#selected.last]]
    return { start: Math.max(0, first.start - 0.3), end: Math.min(this.#duration, last.end + 0.3) }
  }

  #toggleLoop() {
    this.#loops = !this.#loops
    this.#player.loop = this.#loops ? this.#loopSpan() : null
    this.#refresh()
  }

  /** @param {number} time @param {boolean} heard */
  #goTo(time, heard = false) {
    const at = cueEdits.clamp(time, 0, this.#duration)
    if (heard) this.#player.scrub(at)
    else this.#player.time = at
    this.#view = layout.reveal(this.#view, at, this.#duration)
    this.#refresh()
  }

  /** @param {string} viseme */
  #choose(viseme) {
    const time = this.#player.time
    if (this.#selected) this.#commit({ cues: cueEdits.retypeCues(this.#cues, this.#selected, viseme) })
    else {
      const index = cueEdits.cueAt(this.#cues, time)
      const cues =
        index >= 0
          ? cueEdits.retypeCues(this.#cues, { first: index, last: index }, viseme)
          : cueEdits.insertCue(this.#cues, time, viseme, this.#duration)
      this.#commit({ cues })
      this.#selectAt(time)
    }
  }

  /** @param {number} time */
  #selectAt(time) {
    const index = cueEdits.cueAt(this.#cues, time)
    this.#selected = index < 0 ? null : { first: index, last: index }
    this.#key = -1
    this.#refresh()
  }

  #split() {
    const cues = cueEdits.splitCue(this.#cues, this.#snap(this.#player.time))
    if (cues !== this.#cues) this.#commit({ cues })
    this.#selectAt(this.#player.time)
  }

  #merge() {
    if (!this.#selected) return
    const { first } = this.#selected
    const cues = cueEdits.mergeCues(this.#cues, this.#selected)
    this.#selected = { first, last: first }
    if (cues !== this.#cues) this.#commit({ cues })
  }

  #remove() {
    if (this.#key >= 0) {
      const keys = cueEdits.removeKey(this.#keys, this.#key)
      this.#key = -1
      this.#commit({ curves: { [this.#channel]: keys } })
    } else if (this.#selected) {
      const cues = cueEdits.removeCues(this.#cues, this.#selected)
      this.#selected = null
      this.#commit({ cues })
    }
  }

  /** @param {number} time @param {number} value @param {string} gesture */
  #setKey(time, value, gesture = "") {
    const keys = cueEdits.setKey(this.#keys, time, value, this.#channel)
    this.#selected = null
    this.#commit({ curves: { [this.#channel]: keys } }, gesture)
    this.#key = keys.findIndex(([at]) => Math.abs(at - time) < 1e-3)
    this.#refresh()
  }

  /** Move what is selected, else the playhead. @param {number} seconds @param {boolean} onlyEnd */
  #nudge(seconds, onlyEnd) {
    if (this.#key >= 0) {
      const [time, value] = this.#keys[this.#key]
      const keys = cueEdits.moveKey(this.#keys, this.#key, time + seconds, value, this.#channel, this.#duration)
      this.#commit({ curves: { [this.#channel]: keys } }, `nudge key ${this.#key}`)
    } else if (this.#selected) {
      const { first, last } = this.#selected
      const cues = onlyEnd
        ? cueEdits.moveEdge(this.#cues, last, "end", this.#cues[last].end + seconds, this.#duration)
        : cueEdits.moveCues(this.#cues, this.#selected, seconds, this.#duration)
      this.#commit({ cues }, `nudge ${first} ${last} ${onlyEnd}`)
    } else this.#goTo(this.#player.time + seconds, true)
  }

  /** Raise or lower a key, or go through the shapes. @param {number} steps */
  #lift(steps) {
    if (this.#key >= 0) {
      const [time, value] = this.#keys[this.#key]
      const [low, high] = rangeOf(this.#channel)
      const raised = value + (steps * (high - low)) / 100
      const keys = cueEdits.moveKey(this.#keys, this.#key, time, raised, this.#channel, this.#duration)
      this.#commit({ curves: { [this.#channel]: keys } }, `lift ${this.#key}`)
    } else if (this.#selected) {
      const now = VISEMES.indexOf(this.#cues[this.#selected.first].viseme)
      this.#choose(VISEMES[(now - Math.sign(steps) + VISEMES.length) % VISEMES.length])
    }
  }

  /** @param {number} by */
  #step(by) {
    if (!this.#cues.length) return
    const from = this.#selected ? (by > 0 ? this.#selected.last : this.#selected.first) + by : cueEdits.firstEndingAfter(this.#cues, this.#player.time)
    const index = cueEdits.clamp(from, 0, this.#cues.length - 1)
    this.#selected = { first: index, last: index }
    this.#key = -1
    this.#goTo(this.#cues[index].start)
  }

  // Files.

  /** @param {File} file */
  async #import(file) {
    try {
      const read = readFile(await file.text(), this.#options.frameRate())
      const cues = read.cues ?? this.#edits.cues
      if (!this.#duration) this.#setLength(cues?.at(-1)?.end ?? 0)
      this.#commit({ ...read, curves: { ...this.#edits.curves, ...read.curves } })
      const end = Math.max(cues?.at(-1)?.end ?? 0)
      const over = this.#zooms.length && end > this.#duration + 0.1 ? ` It goes on after the voice, which ends at ${layout.formatTime(this.#duration)}.` : ""
      this.#say(`${file.name} was read. Ctrl+Z takes it back.${over}`)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#say(`${file.name} was not read: ${reason}`)
    }
  }

  /** @param {string} form */
  #export(form) {
    const rate = this.#options.frameRate()
    const at = (/** @type {number} */ time) => this.#rows.at(time)
    const [name, text] = {
      tsv: () => ["visemes.tsv", toRhubarbTsv(this.#cues, this.#duration)],
      json: () => ["visemes.json", toRhubarbJson(this.#cues, this.#duration)],
      csv: () => ["motion.csv", toArkit(at, this.#duration, rate)],
      motion: () => ["motion.json", toMotion(at, this.#cues, this.#duration, rate)],
      edits: () => ["edits.json", writeEdits({ ...this.#edits, cues: this.#cues })],
    }[form]?.() ?? ["", ""]
    if (!name) return
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }))
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  // Showing it.

  #refresh() {
    this.#isStale = true
    this.#showNotice()
    const parts = this.#parts
    const isPlaying = this.#player.isPlaying
    parts.play.textContent = isPlaying ? "❚❚ Pause" : "▶ Play"
    parts.play.disabled = !this.#zooms.length
    press(parts.loop, this.#loops)
    press(parts.snap, this.#snaps)
    parts.undo.disabled = !this.#history.canUndo
    parts.redo.disabled = !this.#history.canRedo
    parts.split.disabled = !this.#cues.length
    parts.merge.disabled = !this.#selected
    parts.remove.disabled = !this.#selected && this.#key < 0
    const shown = this.#selected ? this.#cues[this.#selected.first] : this.#cues[cueEdits.cueAt(this.#cues, this.#player.time)]
    for (const [viseme, button] of Object.entries(parts.shapes)) press(button, shown?.viseme === viseme)
    for (const option of parts.channels.options) {
      option.textContent = CHANNEL_NAMES[/** @type {"brow"} */ (option.value)] + (this.#edits.curves[option.value] ? " •" : "")
    }
    const status = this.#describe()
    if (status !== this.#said) this.#say(status)
    this.#said = status
    this.#redraw()
  }

  #said = ""

  /** @param {string} text */
  #say(text) {
    this.#parts.status.textContent = text
    this.#parts.status.title = text
  }

  #describe() {
    if (this.#key >= 0) {
      const [time, value] = this.#keys[this.#key]
      return `${CHANNEL_NAMES[/** @type {"brow"} */ (this.#channel)]} ${Number(value.toFixed(2))} at ${layout.formatTime(time)}. Arrows move it, Delete removes it.`
    }
    if (!this.#selected) return this.#cues.length ? HINT : ""
    const { first, last } = this.#selected
    const [from, to] = [this.#cues[first], this.#cues[last]]
    const span = `${layout.formatTime(from.start)} to ${layout.formatTime(to.end)}`
    if (last > first) return `${last - first + 1} mouth shapes, ${span}. Choose a shape below for all of them.`
    const { sound, example } = SOUNDS[from.viseme]
    return `“${sound}” (${from.viseme}, ${example}), ${span}. Choose another shape below, or drag it.`
  }

  #showNotice() {
    const { notice } = this.#parts
    /** @type {[string, string, () => void][]} */
    const buttons = []
    let text = this.#busy || this.#trouble
    const startOver = () => {
      this.#unreadable = ""
      this.#history.commit(NOTHING)
      this.#publish()
    }
    if (this.#unreadable) {
      text = `These edits cannot be read (${this.#unreadable}). They are kept as they are until you change something.`
      buttons.push(["Start over", "drop them", startOver])
    } else if (!this.#suits && !this.#busy) {
      text = "These edits were made for another voice and are left out."
      const use = () => {
        const { voice, track } = /** @type {Voice} */ (this.#voice)
        this.#history.commit({ ...this.#history.state, voice, track })
        this.#publish()
      }
      buttons.push(["Use them here", "on this voice", use], ["Start over", "drop them", startOver])
    } else if (!text && !this.#voice && !this.#cues.length) {
      if (this.#source.canListen) buttons.push(["Listen: find the mouth shapes", "in this voice", () => this.#listen()])
      else if (this.#zooms.length) text = "Press Run once to find the mouth shapes."
    }
    const shown = JSON.stringify([text, buttons.map(([label]) => label)])
    if (notice.dataset.shown === shown) return
    notice.dataset.shown = shown
    notice.replaceChildren()
    if (text) notice.append(Object.assign(document.createElement("span"), { textContent: text }))
    for (const [label, title, onclick] of buttons) notice.append(Object.assign(document.createElement("button"), { type: "button", textContent: label, title, onclick }))
  }

  /** @type {import("./timeline_layout.mjs").View | null} */
  #drawnView = null

  #draw() {
    const { lanes, overlay, mouth, time } = this.#parts
    const { clientWidth: width, clientHeight: height } = lanes
    if (!width || !height) return
    if (width !== this.#view.width || height !== this.#height) {
      const wasFitted = Math.abs(this.#view.scale - this.#view.width / Math.max(this.#duration, 0.1)) < 1e-6
      this.#view = wasFitted ? layout.fit(this.#duration, width) : layout.within({ ...this.#view, width }, Math.max(this.#duration, 0.1))
      this.#height = height
      this.#isStale = true
    }
    const zoomed = lanes.getBoundingClientRect().width / width
    const density = devicePixelRatio * Math.min(2, Math.max(1, zoomed))
    const scene = {
      view: this.#view,
      lanes: this.#lanes,
      height,
      duration: this.#duration,
      zooms: this.#zooms,
      words: this.#voice?.words ?? [],
      cues: this.#cues,
      selected: this.#selected,
      channel: this.#channel,
      heard: this.#edits.cues || this.#keys.length ? this.#rows.heard[this.#channel] : null,
      values: this.#duration ? this.#rows.values[this.#channel] : null,
      keys: this.#keys,
      key: this.#key,
      span: this.#loops || this.#span ? this.#loopSpan() : null,
    }
    const playhead = this.#player.time
    if (this.#isStale) drawScene(contextOf(lanes, width, height, density), scene, this.#theme)
    this.#isStale = false
    this.#drawnView = this.#view
    drawOverlay(contextOf(overlay, width, height, density), scene, playhead, this.#ghost, this.#hover, this.#theme)
    const face = contextOf(mouth, 92, 92, density)
    face.clearRect(0, 0, 92, 92)
    const shape = this.#hoveredShape
    drawMouth(face, 92, shape ? poseOf(shape) : this.#rows.at(playhead), mouthColours(this.#theme))
    time.firstElementChild && (time.firstElementChild.textContent = layout.formatTime(playhead))
    time.lastChild && (time.lastChild.textContent = ` / ${layout.formatTime(this.#duration)}`)
  }

  /** @type {string | null} */
  #hoveredShape = null

  // What the artist does.

  #connect() {
    const scope = this.#scope
    const parts = this.#parts
    /** @type {[HTMLElement, () => void][]} */
    const clicks = [
      [parts.play, () => this.#play()],
      [parts.loop, () => this.#toggleLoop()],
      [parts.undo, () => this.#undo()],
      [parts.redo, () => this.#redo()],
      [parts.split, () => this.#split()],
      [parts.merge, () => this.#merge()],
      [parts.remove, () => this.#remove()],
      [parts.snap, () => ((this.#snaps = !this.#snaps), this.#refresh())],
      [parts.import, () => parts.file.click()],
    ]
    for (const [button, work] of clicks) scope.listen(button, "click", work)
    for (const [viseme, button] of Object.entries(parts.shapes)) {
      scope.listen(button, "click", () => this.#choose(viseme))
      scope.listen(button, "pointerenter", () => ((this.#hoveredShape = viseme), this.#redraw()))
      scope.listen(button, "pointerleave", () => ((this.#hoveredShape = null), this.#redraw()))
    }
    scope.listen(parts.file, "change", () => {
      if (parts.file.files?.[0]) this.#import(parts.file.files[0])
      parts.file.value = ""
    })
    scope.listen(parts.export, "change", () => {
      this.#export(parts.export.value)
      parts.export.value = ""
    })
    scope.listen(parts.channels, "change", () => {
      this.#channel = parts.channels.value
      this.#key = -1
      this.#refresh()
    })

    const { lanes } = parts
    scope.listen(lanes, "pointerdown", (event) => this.#press(event))
    scope.listen(lanes, "pointermove", (event) => this.#point(event))
    scope.listen(lanes, "pointerleave", () => this.#point(null))
    scope.listen(lanes, "dblclick", (event) => this.#doubleClick(event))
    scope.listen(this.element, "wheel", (event) => this.#wheel(event), { passive: false })
    scope.listen(this.element, "keydown", (event) => this.#keyDown(event))
    // a drag of ours is not one of the graph's
    for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
      scope.listen(this.element, type, (event) => (event.button === 1 ? undefined : event.stopPropagation()))
    }
    for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
      scope.listen(this.element, type, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return
        event.preventDefault()
        event.stopPropagation()
        this.element.classList.toggle("dropping", type === "dragenter" || type === "dragover")
        if (type === "drop" && event.dataTransfer.files[0]) this.#import(event.dataTransfer.files[0])
      })
    }
    const sizes = new ResizeObserver(() => {
      this.#isStale = true
      this.#redraw()
    })
    sizes.observe(lanes)
    const themes = new MutationObserver(() => this.#showTheme())
    for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true, attributeFilter: ["class", "style"] })
    scope.onDispose(() => (sizes.disconnect(), themes.disconnect()))
    this.#showTheme()
  }

  #showTheme() {
    this.#theme = themeOf(this.element)
    const { accent, dark } = this.#theme
    this.element.style.setProperty("--accent", accent)
    this.element.style.setProperty("--on-accent", dark ? "#08131f" : "#fff")
    for (const [viseme, button] of Object.entries(this.#parts.shapes)) {
      const icon = button.querySelector("canvas")
      if (!icon) continue
      const context = contextOf(icon, 28, 28, 2)
      context.clearRect(0, 0, 28, 28)
      drawShape(context, 28, viseme, this.#theme)
    }
    this.#isStale = true
    this.#redraw()
  }

  /** Pixels of the lanes, whatever the zoom of the graph. @param {{clientX: number, clientY: number}} event */
  #at({ clientX, clientY }) {
    const box = this.#parts.lanes.getBoundingClientRect()
    const x = ((clientX - box.left) / box.width) * this.#view.width
    return { x, y: ((clientY - box.top) / box.height) * this.#height, time: layout.xToTime(this.#view, x) }
  }

  /** What a press here would take hold of. @param {number} x @param {number} y */
  #under(x, y) {
    const lane = layout.laneAt(this.#lanes, y)
    if (lane === "cues") return { lane, cue: layout.hitCue(this.#cues, this.#view, x), key: -1, nearCurve: false }
    if (lane !== "curve" || !this.#duration) return { lane, cue: null, key: -1, nearCurve: false }
    const key = layout.hitKey(this.#keys, this.#view, this.#lanes.curve, this.#channel, x, y)
    const value = this.#rows.at(layout.xToTime(this.#view, x))[this.#channel]
    const curve = layout.valueToY(this.#lanes.curve, value, this.#channel)
    return { lane, cue: null, key, nearCurve: key < 0 && Math.abs(curve - y) < 12 }
  }

  /** @param {PointerEvent | null} event */
  #point(event) {
    if (this.#gesture) return
    this.#hover = this.#ghost = null
    let cursor = "default"
    if (event) {
      const { x, y } = this.#at(event)
      const { lane, cue, key, nearCurve } = this.#under(x, y)
      this.#hover = cue
      if (cue) cursor = cue.part === "body" ? "grab" : "ew-resize"
      else if (key >= 0) cursor = "grab"
      else if (nearCurve) {
        cursor = "ns-resize"
        const value = this.#rows.at(layout.xToTime(this.#view, x))[this.#channel]
        this.#ghost = { x, y: layout.valueToY(this.#lanes.curve, value, this.#channel) }
      } else if (lane === "wave" || lane === "words") cursor = "text"
      else if (lane === "ruler") cursor = "pointer"
    }
    this.#parts.lanes.style.cursor = cursor
    this.#redraw()
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || this.#gesture) return
    this.#parts.lanes.focus({ preventScroll: true })
    const { x, y, time } = this.#at(event)
    const { lane, cue, key, nearCurve } = this.#under(x, y)
    const name = `drag ${event.timeStamp}`
    if (lane === "ruler") {
      this.#goTo(time, true)
      this.#drag(event, (at) => this.#goTo(at.time, true))
    } else if (lane === "wave" || lane === "words") {
      this.#span = null
      this.#goTo(time)
      this.#drag(event, (at) => {
        const [start, end] = [Math.min(time, at.time), Math.max(time, at.time)].map((edge) => cueEdits.clamp(edge, 0, this.#duration))
        this.#span = end - start > 2 * this.#frame ? { start, end } : null
        if (this.#span && this.#loops) this.#player.loop = this.#span
        this.#refresh()
      })
    } else if (cue) this.#pressCue(event, cue, time, name)
    else if (key >= 0 || nearCurve) this.#pressKey(event, key, time, name)
    else {
      this.#deselect()
      this.#goTo(time)
    }
  }

  /** @param {PointerEvent} event @param {{index: number, part: "start" | "end" | "body"}} cue @param {number} time @param {string} name */
  #pressCue(event, { index, part }, time, name) {
    const selected = this.#selected
    const isWithin = selected && index >= selected.first && index <= selected.last
    if (event.shiftKey && selected) {
      this.#selected = { first: Math.min(selected.first, index), last: Math.max(selected.last, index) }
    } else if (!isWithin || part !== "body") this.#selected = { first: index, last: index }
    this.#key = -1
    const cues = this.#cues
    if (!this.#player.isPlaying) this.#goTo(time)
    this.#drag(
      event,
      (at) => {
        if (part === "body") {
          const range = /** @type {{first: number, last: number}} */ (this.#selected)
          const start = cues[range.first].start
          const by = this.#snap(start + at.time - time, index) - start
          this.#commit({ cues: cueEdits.moveCues(cues, range, by, this.#duration) }, name)
        } else {
          this.#commit({ cues: cueEdits.moveEdge(cues, index, part, this.#snap(at.time, index), this.#duration) }, name)
        }
      },
      () => {
        if (isWithin && !event.shiftKey) this.#selected = { first: index, last: index }
        this.#refresh()
      },
    )
    this.#refresh()
  }

  /** @param {PointerEvent} event @param {number} key or -1 to set one @param {number} time @param {string} name */
  #pressKey(event, key, time, name) {
    this.#selected = null
    this.#key = key
    const keys = this.#keys
    const { y } = this.#at(event)
    const offset = key < 0 ? 0 : layout.valueToY(this.#lanes.curve, keys[key][1], this.#channel) - y
    this.#drag(event, (at) => {
      const value = layout.yToValue(this.#lanes.curve, at.y + offset, this.#channel)
      const moved = this.#snap(key < 0 ? time : at.time)
      if (key < 0) return this.#setKey(moved, value, name)
      const curve = cueEdits.moveKey(keys, key, moved, value, this.#channel, this.#duration)
      this.#commit({ curves: { [this.#channel]: curve } }, name)
    })
    this.#refresh()
  }

  /**
   * Follow the pointer until it is let go; Escape takes back what it did.
   * @param {PointerEvent} event @param {(at: {x: number, y: number, time: number}) => void} move @param {() => void} click when it did not move
   */
  #drag(event, move, click = () => {}) {
    const { lanes } = this.#parts
    const from = this.#at(event)
    const before = this.#history.state
    const gesture = new Scope()
    let moved = false
    lanes.setPointerCapture(event.pointerId)
    this.#gesture = (end) => {
      gesture.dispose()
      this.#gesture = null
      if (lanes.hasPointerCapture(event.pointerId)) lanes.releasePointerCapture(event.pointerId)
      if (!end && this.#history.state !== before) this.#undo()
      else if (end && !moved) click()
      this.#history.endGesture()
      this.#point(end)
    }
    gesture.listen(lanes, "pointermove", (now) => {
      const at = this.#at(now)
      moved ||= Math.hypot(at.x - from.x, at.y - from.y) >= MOVED
      if (moved) move(at)
    })
    gesture.listen(lanes, "pointerup", (now) => this.#gesture?.(now))
    gesture.listen(lanes, "pointercancel", () => this.#gesture?.(null))
  }

  /** @param {MouseEvent} event */
  #doubleClick(event) {
    const { x, y, time } = this.#at(event)
    const { lane, cue, key } = this.#under(x, y)
    if (lane === "curve" && key >= 0) {
      this.#key = key
      this.#remove()
    } else if (lane === "curve") this.#setKey(this.#snap(time), layout.yToValue(this.#lanes.curve, y, this.#channel))
    else if (lane === "cues" && !cue) {
      const cues = cueEdits.insertCue(this.#cues, time, "aa", this.#duration)
      if (cues !== this.#cues) this.#commit({ cues })
      this.#selectAt(time)
    } else if (lane === "cues" && cue?.part === "body") {
      this.#player.time = time
      this.#split()
    }
  }

  /** @param {WheelEvent} event the graph's, until the timeline was clicked */
  #wheel(event) {
    if (!this.element.contains(document.activeElement)) return
    event.preventDefault()
    event.stopPropagation()
    const { x } = this.#at(event)
    const along = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX
    if (Math.abs(along) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      this.#setView({ ...this.#view, start: this.#view.start + along / this.#view.scale })
    } else this.#setView(layout.zoom(this.#view, Math.exp(-event.deltaY / 400), x, this.#duration))
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    const work = this.#workOf(event)
    if (!work) return
    event.preventDefault()
    event.stopPropagation()
    work()
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | undefined} */
  #workOf({ key, shiftKey, altKey, ctrlKey, metaKey, target }) {
    const isButton = target instanceof HTMLButtonElement || target instanceof HTMLSelectElement
    const frames = (shiftKey ? 10 : 1) * this.#frame
    const centre = layout.timeToX(this.#view, this.#player.time)
    if (ctrlKey || metaKey) {
      if (key.toLowerCase() === "z") return () => (shiftKey ? this.#redo() : this.#undo())
      return key.toLowerCase() === "y" ? () => this.#redo() : undefined
    }
    if (target instanceof HTMLSelectElement || (isButton && (key === " " || key === "Enter"))) return undefined
    return {
      " ": () => this.#play(),
      ArrowLeft: () => this.#nudge(-frames, altKey),
      ArrowRight: () => this.#nudge(frames, altKey),
      ArrowUp: () => this.#lift(shiftKey ? 10 : 1),
      ArrowDown: () => this.#lift(shiftKey ? -10 : -1),
      Delete: () => this.#remove(),
      Backspace: () => this.#remove(),
      Home: () => this.#goTo(0),
      End: () => this.#goTo(this.#duration),
      ",": () => this.#step(-1),
      ".": () => this.#step(1),
      "+": () => this.#setView(layout.zoom(this.#view, 1.5, centre, this.#duration)),
      "=": () => this.#setView(layout.zoom(this.#view, 1.5, centre, this.#duration)),
      "-": () => this.#setView(layout.zoom(this.#view, 1 / 1.5, centre, this.#duration)),
      0: () => this.#setView(layout.fit(this.#duration, this.#view.width)),
      s: () => this.#split(),
      m: () => this.#merge(),
      l: () => this.#toggleLoop(),
      k: () => this.#setKey(this.#snap(this.#player.time), this.#rows.at(this.#player.time)[this.#channel]),
      Escape: () => (this.#gesture ? this.#gesture(null) : (this.#deselect(), (this.#span = null), this.#refresh())),
    }[key.length === 1 ? key.toLowerCase() : key]
  }
}

/** All of a short voice; of a longer one so much that its mouth shapes can be read. @param {number} duration @param {number} width */
function opening(duration, width) {
  const whole = layout.fit(duration, width)
  return layout.within({ ...whole, scale: Math.max(whole.scale, 140) }, Math.max(duration, 0.1))
}

/** @param {HTMLElement} button @param {boolean} isPressed */
const press = (button, isPressed) => button.setAttribute("aria-pressed", String(isPressed))

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height CSS pixels @param {number} density */
function contextOf(canvas, width, height, density) {
  const [w, h] = [Math.round(width * density), Math.round(height * density)]
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h]
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"))
  context.setTransform(w / width, 0, 0, h / height, 0, 0)
  return context
}

/** @param {HTMLElement} element */
function build(element) {
  element.classList.add("animal-timeline")
  element.innerHTML = `
    <div class="bar" role="toolbar" aria-label="Viseme timeline">
      <button type="button" class="play" title="Space">▶ Play</button>
      <span class="time"><b>0:00.00</b> / 0:00.00</span>
      <button type="button" class="loop" title="Play what is selected again and again (L)">Loop</button>
      <button type="button" class="undo" title="Ctrl+Z" aria-label="Undo">↶</button>
      <button type="button" class="redo" title="Ctrl+Y" aria-label="Redo">↷</button>
      <button type="button" class="split" title="Cut the shape at the red line in two (S)">Split</button>
      <button type="button" class="merge" title="Make one of the selected shape and the next (M)">Merge</button>
      <button type="button" class="remove" title="Remove what is selected (Delete)">Delete</button>
      <button type="button" class="snap wide" title="Moved edges catch at frames and at the red line">Snap</button>
      <span class="gap"></span>
      <button type="button" class="import wide" title="Rhubarb TSV, JSON or XML, ARKit CSV, or our JSON; or drop the file here">Import</button>
      <select class="export wide" aria-label="Export" title="Save as a file">
        <option value="">Export</option>
        <option value="tsv">Rhubarb TSV</option>
        <option value="json">Rhubarb JSON</option>
        <option value="csv">ARKit CSV</option>
        <option value="motion">Motion JSON</option>
        <option value="edits">These edits</option>
      </select>
      <input type="file" class="file" accept=".tsv,.txt,.json,.xml,.csv" hidden>
    </div>
    <div class="stage">
      <canvas class="lanes" tabindex="0" role="application" aria-label="Mouth shapes over time"></canvas>
      <canvas class="overlay" aria-hidden="true"></canvas>
      <select class="channels" aria-label="Curve" title="The curve shown here: drag it to bend it"></select>
      <div class="notice" role="status"></div>
    </div>
    <div class="shapes">
      <canvas class="mouth" role="img" aria-label="The mouth at the red line"></canvas>
      <div class="palette" role="toolbar" aria-label="Mouth shape"></div>
    </div>
    <div class="status" role="status" aria-live="polite"></div>`
  /** @param {string} name */
  const part = (name) => /** @type {any} */ (element.querySelector(`.${name}`))
  const lanes = /** @type {HTMLCanvasElement} */ (part("lanes"))
  lanes.title = ""
  lanes.setAttribute("aria-description", KEYS)
  // the page's own Ctrl+Z leaves alone what calls itself a text area
  Object.assign(lanes, { type: "textarea" })
  for (const name of CHANNELS) part("channels").append(new Option(CHANNEL_NAMES[/** @type {"brow"} */ (name)], name))
  /** @type {Record<string, HTMLButtonElement>} */
  const shapes = {}
  for (const viseme of VISEMES) {
    const button = document.createElement("button")
    button.type = "button"
    button.title = `${viseme}: ${SOUNDS[viseme].example}`
    button.dataset.viseme = viseme
    button.setAttribute("aria-label", `${SOUNDS[viseme].sound}, ${SOUNDS[viseme].example}`)
    button.append(document.createElement("canvas"), SOUNDS[viseme].sound)
    part("palette").append(button)
    shapes[viseme] = button
  }
  return {
    /** @type {HTMLButtonElement} */ play: part("play"),
    /** @type {HTMLElement} */ time: part("time"),
    /** @type {HTMLButtonElement} */ loop: part("loop"),
    /** @type {HTMLButtonElement} */ undo: part("undo"),
    /** @type {HTMLButtonElement} */ redo: part("redo"),
    /** @type {HTMLButtonElement} */ split: part("split"),
    /** @type {HTMLButtonElement} */ merge: part("merge"),
    /** @type {HTMLButtonElement} */ remove: part("remove"),
    /** @type {HTMLButtonElement} */ snap: part("snap"),
    /** @type {HTMLButtonElement} */ import: part("import"),
    /** @type {HTMLSelectElement} */ export: part("export"),
    /** @type {HTMLInputElement} */ file: part("file"),
    /** @type {HTMLSelectElement} */ channels: part("channels"),
    /** @type {HTMLElement} */ notice: part("notice"),
    /** @type {HTMLCanvasElement} */ mouth: part("mouth"),
    /** @type {HTMLCanvasElement} */ overlay: part("overlay"),
    /** @type {HTMLElement} */ status: part("status"),
    lanes,
    shapes,
  }
}
